"""Pictures that lack their end: how much of them is there, and an end for those of which nearly all is.

Browsers show whatever has arrived. Here a picture counts if a person would hardly notice what is missing.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.picture_files import UnreadableImageError

ENOUGH = 0.95
"""Share of the rows that must be there."""

_PNG_LARGEST = 64 * 1024 * 1024
"""Bytes of pixels that are unpacked at once, to be filled up."""

_FILLING = bytes(range(1, 251)) * 40
"""Stands where a JPEG's data ends; without 0xFF, which would be a marker."""
_SMALL = (256, 256)
_MOST_PIXELS = 4_000_000
"""After reduction to an eighth: far more than are accepted."""


def completed(data: bytes) -> bytes:
    """Return the file, with an end if it had none; expects one that `essentials` has made.

    Raises:
        UnreadableImageError: too much is missing.
    """
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG"):
        return _png(data)
    return data


def _check(there: float) -> None:
    if there < ENOUGH:
        raise UnreadableImageError(f"the picture is cut off: {there:.0%} of its rows are there. Send the whole file")


# JPEG

_END = b"\xff\xd9"
_SCAN = re.compile(rb"\xff\xda(..)(.)", re.DOTALL)
_FRAME = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]..(.)....(.)(.)", re.DOTALL)


def _jpeg(data: bytes) -> bytes:
    if _END in data:
        return data
    data = data.rstrip(b"\xff")
    scans = list(_SCAN.finditer(data))
    if len(scans) > 1:  # each one but the last is there to its end
        if not any(_shows_all_of_first_component(data, scan) for scan in scans[:-1]):
            raise UnreadableImageError("the picture is cut off before all of its details came. Send the whole file")
        return data + _END
    # The decoder fills up what is missing. Given other data there, only rows that are missing become others.
    plain, filled = _rows(data + _END), _rows(data + _FILLING + _END)
    differing = np.flatnonzero((plain != filled).any(axis=1))
    _check(1.0 if differing.size == 0 else float(differing[0]) / len(plain))
    return data + _END


def _shows_all_of_first_component(data: bytes, scan: re.Match[bytes]) -> bool:
    """Whether the scan brings all frequencies of the brightness up to the highest."""
    if (frame := _FRAME.search(data)) is None:
        return False
    components = scan[2][0]
    selected = data[scan.end() : scan.end() + 2 * components : 2]
    last_frequency = data[scan.end() + 2 * components + 1 : scan.end() + 2 * components + 2]
    return frame[3] in selected and last_frequency == b"\x3f"


def _rows(data: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        image.draft("L", _SMALL)
        if image.width * image.height > _MOST_PIXELS:
            raise UnreadableImageError("the picture has no end, and too many pixels to add one")
        return np.asarray(image.convert("L"))


# PNG

_PIECE = 4096
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By the type of colours in the header."""


def _png(data: bytes) -> bytes:
    """Fill up what is missing with the last row that is there."""
    head, packed, tail = _png_parts(data)
    width, height, bits, colours, _, _, interlaced = struct.unpack(">IIBBBBB", head[16:29])
    row = 1 + (width * _CHANNELS.get(colours, 4) * bits + 7) // 8
    if interlaced:
        return data
    rows = sum(map(len, _unpacked(packed, row * height))) // row
    _check(rows / height)
    if row * height > _PNG_LARGEST:
        return data
    same_as_above = b"\2" + bytes(row - 1)
    pixels = b"".join(_unpacked(packed, row * height))[: rows * row] + same_as_above * (height - rows)
    again = zlib.compress(pixels, 1)
    return (
        head + struct.pack(">I", len(again)) + b"IDAT" + again + struct.pack(">I", zlib.crc32(b"IDAT" + again)) + tail
    )


def _png_parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    """What is before the chunks with pixels, the contents of these, and what is behind."""
    begin = place = 8
    parts: list[bytes] = []
    while (kind := data[place + 4 : place + 8]) and kind != b"IEND":
        size = int.from_bytes(data[place : place + 4])
        if kind == b"IDAT":
            parts.append(data[place + 8 : place + 8 + size])
        elif not parts:
            begin = place + 12 + size
        place += 12 + size
    return data[:begin], b"".join(parts), data[place:]


def _unpacked(packed: bytes, size: int) -> Iterator[bytes]:
    """The first `size` bytes, as far as they are there and sound, in pieces."""
    unpacker = zlib.decompressobj()
    for start in range(0, len(packed), _PIECE):
        try:
            piece = unpacker.decompress(packed[start : start + _PIECE], size)
        except zlib.error:
            return  # what came before the damage counts
        yield piece
        size -= len(piece)
        if size == 0:
            return
