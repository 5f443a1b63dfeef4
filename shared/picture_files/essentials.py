"""A picture's file made again of what makes its pixels, without the rest, which may be damaged, huge or plenty.

Browsers show such files, because they look at the rest apart or not at all. Pillow reads it on the way, and refuses the
file if it cannot. Each format is a list of blocks with a kind and a length, so leaving some out is copying the others;
no library does it for all four formats and leaves the pixels untouched.
"""

import re
import struct
import zlib
from collections.abc import Iterator

from shared.picture_files.orientation import exif_of, orientation

_MOST_BLOCKS = 50_000
"""Limit for a file that is looked at; each block takes a microsecond."""

_EXIF = b"Exif\0\0"


def essentials(data: bytes) -> bytes | None:
    """Return the file with what makes its pixels; `None` if it is of another format, or has far too many blocks.

    How the picture must be turned is kept, where it can be read. What is missing at the end stays missing.
    """
    if data.startswith(b"\x89PNG"):
        return _png(data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    if data.startswith(b"GIF8"):
        return _gif(data)
    return None


def _turned(exif: bytes) -> bytes:
    """Exif data with the orientation alone; empty if the picture is upright."""
    turned = orientation(exif)
    return b"" if turned == 1 else exif_of(turned)


# PNG: length, kind, content, checksum.

_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")


def _png(data: bytes) -> bytes | None:
    kept, exif = [data[:8]], b""
    for kind, content in _png_chunks(data):
        if kind is None:
            return None
        if kind == b"eXIf":
            exif = exif or content
        elif kind in _PNG_KEPT:
            kept.append(_png_chunk(kind, content))
    if turned := _turned(exif):
        kept.append(_png_chunk(b"eXIf", turned))
    return b"".join([*kept, _png_chunk(b"IEND", b"")])


def _png_chunks(data: bytes) -> Iterator[tuple[bytes | None, bytes]]:
    """Kinds and contents up to the end, the last one as far as it is there; a kind `None` if there are too many."""
    place = 8
    for _ in range(_MOST_BLOCKS):
        kind, size = data[place + 4 : place + 8], int.from_bytes(data[place : place + 4])
        if len(kind) < 4 or kind == b"IEND":
            return
        yield kind, data[place + 8 : place + 8 + size]
        place += 12 + size
    yield None, b""


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


# JPEG: segments with a marker and a length, then scans.

_MARKER = re.compile(rb"\xff+([\x01\xc0-\xfe])")
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a length."""
_START_OF_SCAN, _END, _EXIF_SEGMENT, _ADOBE, _COMMENT = 0xDA, 0xD9, 0xE1, 0xEE, 0xFE


_COLOURS = {b"JFIF\0": 14, b"Adobe": 12}
"""What segments that tell of colours begin with, and the bytes that they have at least."""


def _jpeg(data: bytes) -> bytes | None:
    kept, exif, place = [b""], b"", 2
    for _ in range(_MOST_BLOCKS):
        found = _MARKER.search(data, place)
        if found is None or found[1][0] == _END:
            return None
        marker, place = found[1][0], found.end()
        if marker == _START_OF_SCAN:
            turned = _turned(exif)
            kept[0] = data[:2] + (_jpeg_segment(_EXIF_SEGMENT, _EXIF + turned) if turned else b"")
            return b"".join(kept) + data[found.end() - 2 :]
        if marker in _ALONE:
            continue
        size = int.from_bytes(data[place : place + 2])
        content = data[place + 2 : place + size]
        if marker == _EXIF_SEGMENT and content.startswith(_EXIF):
            exif = exif or content
        if _makes_pixels(marker, content):
            kept.append(_jpeg_segment(marker, content))
        place += max(size, 2)
    return None


def _makes_pixels(marker: int, content: bytes) -> bool:
    """Whether the segment matters: of those for programs, JFIF's and Adobe's say what the colours are."""
    if 0xE0 <= marker <= 0xEF:
        return any(content.startswith(name) and size <= len(content) < 100 for name, size in _COLOURS.items())
    return marker != _COMMENT


def _jpeg_segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


# WebP: kind, length, content, and a byte to make it even.

_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_WEBP_FLAGS = 0x12
"""Transparency and animation; the others announce what is left out."""


def _webp(data: bytes) -> bytes | None:
    chunks, exif, place = [], b"", 12
    for _ in range(_MOST_BLOCKS):
        kind, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if len(kind) < 4:
            break
        content = data[place + 8 : place + 8 + size]
        if kind == b"EXIF":
            exif = exif or content
        elif kind == b"VP8X" and content:
            chunks.append((kind, bytes([content[0] & _WEBP_FLAGS]) + content[1:]))
        elif kind in _WEBP_PIXELS:
            chunks.append((kind, content))
        place += 8 + size + size % 2
    else:
        return None
    if (turned := _turned(exif)) and chunks and chunks[0][0] == b"VP8X":
        flags, *rest = chunks[0][1]
        chunks[0] = (b"VP8X", bytes([flags | 0x08, *rest]))
        chunks.append((b"EXIF", turned))
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


# GIF: a header, then extensions and images, each of them in sub-blocks of up to 255 bytes.

_EXTENSION, _IMAGE, _GRAPHIC_CONTROL = 0x21, 0x2C, 0xF9


def _gif(data: bytes) -> bytes | None:
    """The first picture with its transparency."""
    place = 13 + _gif_colours(data[10:11])
    header, control = data[:place], b""
    for _ in range(_MOST_BLOCKS):
        kind = data[place : place + 1]
        if kind == bytes([_EXTENSION]):
            end = _gif_blocks_end(data, place + 2)
            if data[place + 1 : place + 2] == bytes([_GRAPHIC_CONTROL]) and data[place + 2 : place + 3] == b"\x04":
                control = data[place : place + 7] + b"\0"
        elif kind == bytes([_IMAGE]):
            end = _gif_blocks_end(data, place + 11 + _gif_colours(data[place + 9 : place + 10]))
            return None if end is None else header + control + data[place:end] + b";"
        else:
            end = place + 1 if kind == b"\0" else None  # what some programs leave between blocks
        if end is None:
            return None
        place = end
    return None


def _gif_colours(flags: bytes) -> int:
    """Bytes of the table of colours that the flags announce."""
    return 3 << ((flags[0] & 0x07) + 1) if flags and flags[0] & 0x80 else 0


def _gif_blocks_end(data: bytes, place: int) -> int | None:
    for _ in range(_MOST_BLOCKS):
        size = data[place : place + 1]
        if not size:
            return None
        place += 1 + size[0]
        if size == b"\0":
            return place
    return None
