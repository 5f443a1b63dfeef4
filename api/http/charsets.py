"""The character set that a request says its body has; everything behind it reads UTF-8."""

import codecs
from collections.abc import AsyncIterator
from email.message import Message
from http import HTTPStatus

from api.http.problems import Problem, malformed

_KNOWN = {
    *(f"utf-{bits}{order}" for bits in (16, 32) for order in ("", "-le", "-be")),
    *(f"iso8859-{part}" for part in range(1, 17) if part != 12),
    *(f"cp125{number}" for number in range(9)),
    *(
        "cp437",
        "cp850",
        "mac-roman",
        "koi8-r",
        "koi8-u",
        "gb18030",
        "gbk",
        "gb2312",
        "big5",
        "shift_jis",
        "euc_jp",
        "euc_kr",
    ),
}
"""Python's names. Its other codecs are rare, or are none of characters, such as `zlib` and `rot13`."""
_UTF_8 = {"utf-8", "ascii"}
_AS_IN_BROWSERS = {"iso8859-1": "cp1252"}
"""What calls itself ISO 8859-1 is Windows-1252 where both differ (https://encoding.spec.whatwg.org/#names-and-labels)."""


def charset_of(content_type: str) -> str | None:
    """Return the codec of the media type's `charset`; `None` for UTF-8, and where none is named.

    Raises:
        Problem: it is unknown.
    """
    header = Message()
    header["content-type"] = content_type
    named = header.get_param("charset")
    if not isinstance(named, str) or not named.strip():
        return None
    try:
        codec = codecs.lookup(named.strip()[:40]).name
    except (LookupError, ValueError):
        codec = ""
    if codec in _UTF_8:
        return None
    if codec not in _KNOWN:
        detail = f"The charset {named[:40]!r} is not accepted: send UTF-8, or name UTF-16, Windows-1252 or ISO-8859-1."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-charset", detail)
    return _AS_IN_BROWSERS.get(codec, codec)


async def in_utf_8(pieces: AsyncIterator[bytes], charset: str) -> AsyncIterator[bytes]:
    """Turn a text into UTF-8 while it arrives; raises `Problem` where it does not have the charset."""
    decoder, before = codecs.getincrementaldecoder(charset)(), 0
    try:
        async for piece in pieces:
            if text := decoder.decode(piece):
                yield text.encode("utf-8", "surrogatepass")
            before += len(piece)
        if text := decoder.decode(b"", final=True):
            yield text.encode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        detail = f"the body is not {charset}, which its media type names, shortly after its byte {before:,}"
        raise malformed(detail) from error
