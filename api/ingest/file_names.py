"""Names of files as HTTP clients write them."""

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

_ENCODED_WORDS = re.compile(r"(?:\s*=\?[^?\s]+\?[bq]\?[^?]*\?=)+\s*", re.IGNORECASE)
_EXTENDED = re.compile(r';\s*(filename\*(?:\d+\*?)?\s*=\s*(?:"[^"]*"|[^;]*))', re.IGNORECASE)


def sent_name(disposition: str, name: str | None) -> str | None:
    """Return the file's name in a Content-Disposition header, whose `filename` is `name`; `None` if it has none.

    `filename*` (RFC 2231, 5987) goes first, as .NET sends it beside an encoded word (RFC 2047).
    """
    if extended := _EXTENDED.findall(disposition):
        message = Message()
        message["Content-Disposition"] = f"form-data; {'; '.join(extended)}".replace("\r", " ").replace("\n", " ")
        try:
            value = message.get_param("filename", header="Content-Disposition")
            if name is None or (isinstance(value, tuple) and value[0]):  # it names its charset
                return message.get_filename()
        except (LookupError, ValueError, TypeError):  # a charset that does not exist, digits that are none
            pass
    if name is not None and _ENCODED_WORDS.fullmatch(name):
        try:
            return str(make_header(decode_header(name)))
        except (HeaderParseError, LookupError, ValueError):
            return name
    return name


def header_text(text: str) -> str:
    """Return the text of a header whose bytes were read as Latin-1: UTF-8, or Windows' code page if it is not that."""
    data = text.encode("latin-1", errors="replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
