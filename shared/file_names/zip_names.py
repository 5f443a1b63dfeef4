"""Names of the files in a zip, as archivers write them."""

import struct
import zipfile
import zlib

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
"""The extra field in which Info-ZIP keeps a name in UTF-8 beside the one in a local code page."""
_CODE_PAGES = ("cp437", "cp850", "cp1252")
"""What DOS, Windows' Explorer in Western Europe, and other programs for Windows write."""


def entry_names(entry: zipfile.ZipInfo) -> tuple[str, ...]:
    """Return the name of a zip's entry, and other readings of it where its code page is not known.

    The flag says UTF-8, or Info-ZIP's extra field does. Without both, bytes that are UTF-8 are UTF-8, as macOS writes
    them. Other bytes may be in any of the code pages: an item that names the file tells which one is right.
    """
    if entry.flag_bits & _UTF8_FLAG:
        return (entry.orig_filename,)
    raw = entry.orig_filename.encode("cp437")  # which `zipfile` has read them as, and which has a letter for each byte
    if (name := _unicode_path(entry, raw)) is not None:
        return (name,)
    try:
        return (raw.decode(),)
    except UnicodeDecodeError:
        return tuple(dict.fromkeys(raw.decode(page, errors="replace") for page in _CODE_PAGES))


def _unicode_path(entry: zipfile.ZipInfo, raw: bytes) -> str | None:
    extra = entry.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        # Its checksum of the other name tells whether somebody has renamed the entry since.
        if kind == _UNICODE_PATH and size > 5 and field[:5] == struct.pack("<BL", 1, zlib.crc32(raw)):
            try:
                return field[5:].decode()
            except UnicodeDecodeError:
                return None
    return None
