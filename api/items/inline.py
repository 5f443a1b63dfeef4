"""A picture inside the item: base64 in the forms that programs write, and `data:` URLs (RFC 2397)."""

import base64
import re
from urllib.parse import unquote_to_bytes

_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BLANKS = b" \t\r\n"
_BASE64 = re.compile(r";\s*base64\s*", re.IGNORECASE)
_STEP = re.compile(rb"(?:%[0-9A-Fa-f]{2}|.){1,65536}+", re.DOTALL)


class NotInlineError(ValueError):
    """The text is no picture in this form; the message says why."""


def decode_base64(text: str) -> bytes:
    """Decode base64 or base64url, also with line breaks, as the content of a `data:` URL, or without padding.

    Raises:
        NotInlineError: it is not base64.
    """
    return _decode(text.partition(",")[2] if text.lstrip()[:5].lower() == "data:" else text)


def decode_data_url(text: str) -> bytes:
    """Return the content of a `data:` URL, in base64 or percent-encoded.

    Raises:
        NotInlineError: it has no comma before its content, or the content is not the base64 that it names.
    """
    head, comma, content = text.partition("#")[0].partition(",")
    if not comma:
        raise NotInlineError("a data: URL needs a comma before its content")
    if _BASE64.fullmatch(head[head.rfind(";") :]):
        return _decode(_percent_decoded(content).decode("latin-1") if "%" in content else content)
    return _percent_decoded(content)


def _decode(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except ValueError:
        pass
    try:
        plain = content.encode().translate(_URL_SAFE, _BLANKS).rstrip(b"=")
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except ValueError as error:
        raise NotInlineError(f"not base64: {error}") from None


def _percent_decoded(content: str) -> bytes:
    """In steps, because `unquote_to_bytes` makes an object of every escape."""
    try:
        plain = content.encode().translate(None, b"\t\r\n").rstrip(b" ")
    except UnicodeEncodeError as error:
        raise NotInlineError(f"not percent-encoded: {error.reason}") from None
    return b"".join(unquote_to_bytes(step[0]) for step in _STEP.finditer(plain))
