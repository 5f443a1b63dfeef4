"""Commands of Redis as bytes, in its own protocol: `redis-cli --pipe` reads them, too."""

from collections.abc import Iterable, Iterator


def encode(arguments: Iterable[bytes]) -> bytes:
    parts = list(arguments)
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def decode(data: bytes) -> Iterator[list[bytes]]:
    """Yield each command's arguments; raises `ValueError` if the bytes are no commands."""
    at = 0
    while at < len(data):
        count, at = _number(data, at, b"*")
        arguments = []
        for _ in range(count):
            length, at = _number(data, at, b"$")
            end = at + length
            if data[end : end + 2] != b"\r\n":
                raise ValueError(f"no argument of {length} bytes at {at}")
            arguments.append(data[at:end])
            at = end + 2
        if not arguments:
            raise ValueError(f"an empty command before {at}")
        yield arguments


def _number(data: bytes, at: int, mark: bytes) -> tuple[int, int]:
    """Return the number behind the mark, and where the next line begins."""
    end = data.find(b"\r\n", at, at + 24)
    digits = data[at + 1 : end]
    if end < 0 or data[at : at + 1] != mark or not digits.isdigit():
        raise ValueError(f"no {mark.decode()} and number at {at}")
    return int(digits), end + 2
