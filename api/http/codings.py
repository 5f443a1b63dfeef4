"""The content coding that a request says its body has; everything behind it reads what was coded."""

import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from http import HTTPStatus

from api.http.problems import Problem, malformed

ACCEPTED = "gzip, identity"
"""What the service reads, as `Accept-Encoding` in an answer tells it (RFC 9110, section 12.5.3)."""

_GZIP = ("gzip", "x-gzip")
_WINDOW = 31
"""zlib's largest window, in gzip's form and in no other."""
_PIECE = 64 * 1024
_MEMBERS, _PER_MEMBER = 64, 1024
"""Members that a body may have, and one more for each of this many bytes: tiny ones cost more than they hold."""


def is_gzip(encodings: Sequence[str]) -> bool:
    """Whether the `Content-Encoding` headers of a request say that its body is compressed.

    Raises:
        Problem: they name another coding, or more than one.
    """
    named = [coding.strip().lower() for coding in ",".join(encodings).split(",")]
    codings = [coding for coding in named if coding not in ("", "identity")]
    if codings and (len(codings) > 1 or codings[0] not in _GZIP):
        detail = f"The Content-Encoding {', '.join(codings)[:40]!r} is not accepted: send gzip, once, or no coding."
        headers = {"Accept-Encoding": ACCEPTED}
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-content-encoding", detail, headers=headers)
    return bool(codings)


async def decompressed(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield what one or several members of gzip hold, while they arrive, in pieces of at most 64 KiB.

    Raises:
        Problem: this is not gzip, is damaged, ends too early, or something else follows.
    """
    member, members, before = None, 0, 0
    try:
        async for piece in pieces:
            rest = piece
            while rest:
                if member is None:
                    member, members = zlib.decompressobj(_WINDOW), members + 1
                    read = before + len(piece) - len(rest)
                    if members > _MEMBERS + read // _PER_MEMBER:
                        raise malformed(f"the body's first {read:,} bytes have over {members - 1:,} members of gzip")
                if content := member.decompress(rest, _PIECE):
                    yield content
                if member.eof:
                    rest, member = member.unused_data, None
                else:
                    rest = member.unconsumed_tail
            before += len(piece)
    except zlib.error as error:
        detail = f"the body is not gzip, which its Content-Encoding names, shortly after its byte {before:,}: {error}"
        raise malformed(detail) from error
    if member is not None:
        raise malformed(f"the body ends after {before:,} bytes, in the middle of its gzip: send all of it")
