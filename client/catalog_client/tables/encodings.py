"""Turns bytes into text while they arrive, in the encoding that they show."""

import codecs
from collections.abc import Iterator

from catalog_client.tables.errors import MalformedTableError

_BYTE_ORDER_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECIDING = 4
"""Bytes that tell a byte order mark, or UTF-16 without one."""
_GUESS = "cp1252"
_NAMES = {
    "utf-8": "UTF-8",
    "cp1252": "Windows-1252",
    **{f"utf-{bits}-{order}": f"UTF-{bits}{order.upper()}" for bits in (16, 32) for order in ("le", "be")},
}


class Decoder:
    """A decoder of bytes that are UTF-8 or begin with a byte order mark.

    Args:
        guess: Take UTF-16 without a mark too, and Windows-1252 where the first bytes that are not ASCII are not UTF-8.
            A program that lets it guess should say which encoding was found.
    """

    def __init__(self, *, guess: bool = True) -> None:
        self._guess = guess
        self._codec: str | None = None
        self._head = b""
        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")()
        self._undecided = guess
        """Whether the text may still be Windows-1252, because it was ASCII so far."""
        self._place = _Place()

    @property
    def encoding(self) -> str:
        """The encoding's usual name; UTF-8 as long as nothing shows another one."""
        return _NAMES[self._codec or "utf-8"]

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[str]:
        """Yield the text of the bytes; only the last ones must not end within a character.

        Raises:
            MalformedTableError: they are not of the encoding. The text before them was yielded.
        """
        if self._codec is None:
            data = self._head + data
            if len(data) < _DECIDING and not final:
                self._head = data
                return
            data = self._begin(data)
        try:
            text = self._decoder.decode(data, final)
        except UnicodeDecodeError as error:
            yield from self._go_on(error, len(data), final)
            return
        if self._undecided and not text.isascii():
            self._undecided = False
        self._place.pass_over(data, text)
        if text:
            yield text

    def _begin(self, data: bytes) -> bytes:
        """Decide the encoding by the first bytes; return the data without its mark."""
        for mark, codec in _BYTE_ORDER_MARKS:
            if data.startswith(mark):
                self._use(codec)
                return data[len(mark) :]
        zeros = [byte == 0 for byte in data[:_DECIDING]]
        if self._guess and zeros in ([False, True, False, True], [True, False, True, False]):
            self._use("utf-16-le" if zeros[1] else "utf-16-be")
        else:
            self._codec = "utf-8"
        return data

    def _use(self, codec: str) -> None:
        self._codec, self._undecided = codec, False
        self._decoder = codecs.getincrementaldecoder(codec)()

    def _go_on(self, error: UnicodeDecodeError, size: int, final: bool) -> Iterator[str]:
        """Yield the text before the wrong bytes, and what follows if it can be Windows-1252."""
        before, rest = error.object[: error.start], error.object[error.start :]
        text = before.decode(self._codec or "utf-8")
        self._place.byte -= len(error.object) - size  # bytes of a character that began in the piece before
        self._place.pass_over(before, text)
        if text:
            yield text
        if self._undecided and text.isascii():
            self._use(_GUESS)
            yield from self.feed(rest, final=final)
            return
        raise self._refusal() from error

    def _refusal(self) -> MalformedTableError:
        line, byte = self._place.line, self._place.byte + 1
        where = f" at its byte {byte}" if self._codec in ("utf-8", _GUESS) else ""
        or_utf_8 = "neither UTF-8 nor" if self._codec == _GUESS else "not"
        detail = f"line {line} of the table is {or_utf_8} {self.encoding}{where}: save the table as UTF-8"
        return MalformedTableError(detail, line)


class _Place:
    """The line that the bytes have reached, and how many bytes of it have passed."""

    def __init__(self) -> None:
        self.byte = 0
        self._newlines = self._returns = 0

    @property
    def line(self) -> int:
        """The line, from 1; in a text without a newline, carriage returns end lines."""
        return 1 + (self._newlines or self._returns)

    def pass_over(self, data: bytes, text: str) -> None:
        self._newlines += text.count("\n")
        self._returns += text.count("\r")
        end = data.rfind(b"\n" if self._newlines else b"\r")
        self.byte = self.byte + len(data) if end < 0 else len(data) - end - 1
