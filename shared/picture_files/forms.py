"""What the bytes of a picture tell of the work of decoding it, found in microseconds and without decoding it.

A small file can be minutes of work: its size and its pixels say nothing of that, but its form does.
"""

import re

from shared.picture_files.errors import UnreadableImageError

MAX_SCANS = 100
"""A JPEG with more is refused, as by Chrome and Android: "much larger than the number of scans we might expect in a
normal image" (google/skia, src/codec/SkJpegDecoderMgr.cpp). Usual progressive files have about ten."""
_USUAL_SCANS = 16
_MOST_SEGMENTS = 300
"""Before the first scan of a JPEG. A colour profile takes up to 255; Pillow needs a microsecond for each."""
_MOST_BLOCKS, _MOST_CHUNKS = 10_000, 64
"""Chunks of a PNG with pixels, and others. Pillow unpacks each other one: a file of 15 MB kept it busy for 32 s."""

_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
"""The beginning of a segment of a JPEG; within a scan, 0xFF is followed by something else."""
_END, _SCAN = 0xD9, 0xDA
_SEQUENTIAL = (b"\xc0", b"\xc1")
_FRAMES = tuple(bytes([marker]) for marker in range(0xC0, 0xD0) if marker not in (0xC4, 0xC8, 0xCC))


def is_plain(data: bytes) -> bool:
    """Whether the file is made as usual, so that decoding takes as long as its pixels and bytes let expect.

    Raises:
        UnreadableImageError: it is a JPEG with too many scans.
    """
    if data.startswith(b"\xff\xd8"):
        return _is_plain_jpeg(data)
    if data.startswith(b"\x89PNG"):
        return _is_plain_png(data)
    return not data.startswith(b"GIF8")  # merely opening a GIF can take memory for all the pixels in its header


def _is_plain_jpeg(data: bytes) -> bool:
    begins_as_usual, has_one_scan = _beginning(data)
    if has_one_scan:
        return True
    marks = data.count(b"\xff\xda")  # at least as many as scans: a preview, or a film behind the picture, has some
    if marks > MAX_SCANS and (scans := _scans(data)) > MAX_SCANS:
        detail = f"the picture is a JPEG of {scans:,} scans; at most {MAX_SCANS} are accepted: save it again"
        raise UnreadableImageError(detail, code="image_too_costly")
    return begins_as_usual and marks <= _USUAL_SCANS


def _beginning(data: bytes) -> tuple[bool, bool]:
    """Whether a JPEG has a moderate number of segments, and nothing else, before its first scan; whether that is all.

    libjpeg reads no further scan if the picture is not progressive and the first one has all of its components.
    """
    place, components = 2, b""
    for _ in range(_MOST_SEGMENTS):
        if data[place : place + 1] != b"\xff":
            return False, False
        marker = data[place + 1 : place + 2]
        if marker == b"\xda":
            return True, bool(components) and data[place + 4 : place + 5] == components
        if marker in _FRAMES:
            components = data[place + 9 : place + 10] if marker in _SEQUENTIAL and not components else b""
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return False, False


def _scans(data: bytes) -> int:
    """Return the number of a JPEG's scans, so far as it has a moderate number of segments."""
    scans, place = 0, 2
    for _ in range(_MOST_BLOCKS):
        if (found := _MARKER.search(data, place)) is None or found[1][0] == _END:
            break
        scans += found[1][0] == _SCAN
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
    return scans


def _is_plain_png(data: bytes) -> bool:
    place, others = 8, 0
    for _ in range(_MOST_BLOCKS):
        kind = data[place + 4 : place + 8]
        if kind in (b"IEND", b""):
            return True
        others += kind != b"IDAT"
        if others > _MOST_CHUNKS:
            return False
        place += 12 + int.from_bytes(data[place : place + 4])
    return False
