"""Damaged files: what makes the pixels counts, and nothing else; what is refused is called by its name."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared.model.images import UnreadableImageError, decode
from tests.pictures import clouds, many_profiles


def _saved(kind: str, size: int = 120, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(clouds(0, size))).save(buffer, kind, **options)
    return buffer.getvalue()


PNG, JPEG, WEBP, GIF = _saved("PNG"), _saved("JPEG"), _saved("WEBP"), _saved("GIF")
PROGRESSIVE = _saved("JPEG", progressive=True, quality=90)


def _chunk(kind: bytes, content: bytes, checksum: int | None = None) -> bytes:
    found = zlib.crc32(kind + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", found)


def _in_png(chunk: bytes) -> bytes:
    """Behind the header."""
    return PNG[:33] + chunk + PNG[33:]


def _segment(marker: int, content: bytes, size: int | None = None) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2 if size is None else size) + content


def _in_jpeg(segment: bytes, data: bytes = JPEG) -> bytes:
    return data[:2] + segment + data[2:]


def _exif(kind: int, count: int, value: bytes, order: bytes = b"II*\0\x08\0\0\0") -> bytes:
    """Exif data with the orientation alone, of any type."""
    return order + struct.pack("<HHHI4s", 1, 0x0112, kind, count, value) + bytes(4)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
"""What Pillow reads of it is enough."""


def _in_webp(kind: bytes, content: bytes, flag: int) -> bytes:
    """An extended file, which announces the chunk."""
    header = struct.pack("<B3x", flag) + (119).to_bytes(3, "little") * 2
    body = b"".join(
        name + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2)
        for name, part in ((b"VP8X", header), (WEBP[12:16], WEBP[20:]), (kind, content))
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _in_gif(extension: bytes) -> bytes:
    """Behind the table of colours."""
    behind = 13 + (3 << ((GIF[10] & 7) + 1))
    return GIF[:behind] + extension + GIF[behind:]


def _wrong_checksum_of_pixels() -> bytes:
    size = int.from_bytes(PNG[33:37])
    assert PNG[37:41] == b"IDAT"
    return PNG[: 41 + size] + b"\0\0\0\0" + PNG[45 + size :]


SAME: dict[str, tuple[bytes, bytes]] = {
    "png: checksum of a text": (_in_png(_chunk(b"tEXt", b"a\0b", checksum=1)), PNG),
    "png: checksum of the pixels": (_wrong_checksum_of_pixels(), PNG),
    "png: profile that is none": (_in_png(_chunk(b"iCCP", b"x\0\0garbage")), PNG),
    "png: profile of megabytes": (_in_png(_chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(20_000_000)))), PNG),
    "png: text of megabytes": (_in_png(_chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(80_000_000)))), PNG),
    "png: many profiles": (many_profiles(2000), many_profiles(0)),
    "png: chunks that are too short": (
        _in_png(
            b"".join(_chunk(kind, b"") for kind in (b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"acTL", b"fcTL", b"iTXt"))
        ),
        PNG,
    ),
    "png: metadata of a camera": (_in_png(_chunk(b"eXIf", b"\0\x08\0\x02garbage")), PNG),
    "png: chunk that is longer than the file": (PNG[:-12] + struct.pack(">I", 1 << 30) + b"tEXt", PNG),
    "png: no end": (PNG[:-12], PNG),
    "png: no checksum at the end": (PNG[:-20], PNG),
    "png: something behind": (PNG + b"<html>" * 99, PNG),
    "jpeg: no end": (JPEG[:-2], JPEG),
    "jpeg: half of the end": (JPEG[:-1], JPEG),
    "jpeg: progressive, no end": (PROGRESSIVE[:-2], PROGRESSIVE),
    "jpeg: something behind": (JPEG + bytes(5000), JPEG),
    "jpeg: metadata of a camera": (_in_jpeg(_segment(0xE1, b"Exif\0\0garbage")), JPEG),
    "jpeg: orientation in words": (_in_jpeg(_segment(0xE1, b"Exif\0\0" + _exif(2, 2, b"6\0\0\0"))), JPEG),
    "jpeg: orientation of 99": (_in_jpeg(_segment(0xE1, b"Exif\0\0" + _exif(3, 1, b"c\0\0\0"))), JPEG),
    "jpeg: orientation of a type that browsers do not read": (
        _in_jpeg(_segment(0xE1, b"Exif\0\0" + _exif(4, 1, b"\6\0\0\0"))),
        JPEG,
    ),
    "jpeg: orientation in XMP": (_in_jpeg(_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)), JPEG),
    "png: orientation in XMP": (_in_png(_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)), PNG),
    "png: orientation in ImageMagick's text": (
        _in_png(
            _chunk(b"tEXt", b"Raw profile type exif\0\nexif\n      26\n" + _exif(3, 1, b"\6\0\0\0").hex().encode())
        ),
        PNG,
    ),
    "webp: orientation in XMP": (_in_webp(b"XMP ", XMP, 0x04), WEBP),
    "jpeg: Adobe's mark alone": (_in_jpeg(_segment(0xEE, b"Adobe")), JPEG),
    "jpeg: length of nothing": (_in_jpeg(_segment(0xE5, b"", size=0)), JPEG),
    "jpeg: several pictures announced": (_in_jpeg(_segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff")), JPEG),
    "jpeg: profile in a part of five": (_in_jpeg(_segment(0xE2, b"ICC_PROFILE\0\x05\x01xx")), JPEG),
    "jpeg: resolution of Photoshop": (
        _in_jpeg(_segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\xff\xff\xff\xff")),
        JPEG,
    ),
    "jpeg: thousands of segments": (_in_jpeg(_segment(0xE4, b"x") * 3000), JPEG),
    "jpeg: garbage between segments": (_in_jpeg(b"garbage"), JPEG),
    "webp: profile that is none": (_in_webp(b"ICCP", b"garbage", 0x20), WEBP),
    "webp: metadata of a camera": (_in_webp(b"EXIF", b"garbage", 0x08), WEBP),
    "webp: wrong length": (WEBP[:4] + b"\xff\xff\0\0" + WEBP[8:], WEBP),
    "webp: something behind": (WEBP + b"garbage", WEBP),
    "gif: no end": (GIF[:-1], GIF),
    "gif: something behind": (GIF + b"garbage", GIF),
    "gif: comment and odd extensions": (
        _in_gif(b"\x21\xfe\x05hello\0\x21\xff\x0bNETSCAPE2.0\x01\x07\0\x21\x99\x02ab\0"),
        GIF,
    ),
}


@pytest.mark.parametrize(("damaged", "sound"), SAME.values(), ids=SAME)
def test_damage_that_leaves_all_pixels_changes_nothing(damaged: bytes, sound: bytes) -> None:
    assert np.array_equal(decode(damaged), decode(sound))


@given(st.binary(max_size=300), st.integers(0xE0, 0xFE))
def test_no_segment_of_a_jpeg_that_makes_no_pixels_is_looked_at(content: bytes, marker: int) -> None:
    if marker in (0xE0, 0xEE, 0xE1):
        content = b"other " + content  # not what says how the colours are meant, or how the picture is turned
    assert np.array_equal(decode(_in_jpeg(_segment(min(marker, 0xEF), content))), decode(JPEG))


@given(
    st.binary(max_size=300), st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"gAMA", b"acTL", b"prVt"])
)
def test_no_chunk_of_a_png_that_makes_no_pixels_is_looked_at(content: bytes, kind: bytes) -> None:
    turned = kind == b"eXIf" and content.startswith((b"II", b"MM"))
    assert turned or np.array_equal(decode(_in_png(_chunk(kind, content))), decode(PNG))


@pytest.mark.parametrize(
    "make",
    [
        lambda exif: _in_jpeg(b"garbage" + _segment(0xE1, b"Exif\0\0" + exif)),
        lambda exif: PNG[:-12] + _chunk(b"eXIf", exif) + _chunk(b"tEXt", b"a\0b", checksum=1) + PNG[-12:],
    ],
    ids=["jpeg", "png"],
)
def test_a_damaged_file_is_still_turned_as_it_says(make: Callable[[bytes], bytes]) -> None:
    upright, turned = decode(make(b"")), decode(make(_exif(3, 1, b"\x03\0\0\0")))
    assert np.abs(turned.astype(int) - upright[::-1, ::-1]).mean() < 2


@pytest.mark.parametrize("data", [_saved("JPEG", size=480), _saved("PNG", size=480)], ids=["jpeg", "png"])
def test_a_few_missing_rows_at_the_end_do_no_harm(data: bytes) -> None:
    there, whole = decode(data[: int(len(data) * 0.98)]), decode(data)
    assert np.array_equal(there[:200], whole[:200])


@pytest.mark.parametrize("data", [JPEG, PNG, PROGRESSIVE, WEBP, GIF], ids=["jpeg", "png", "progressive", "webp", "gif"])
def test_half_a_picture_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize("data", [JPEG, PNG], ids=["jpeg", "png"])
def test_the_message_says_how_much_is_there(data: bytes) -> None:
    with pytest.raises(UnreadableImageError, match=r"^the picture is cut off: \d+% of its rows are there"):
        decode(data[: len(data) // 2])


def test_grey_at_the_bottom_is_not_taken_for_missing_rows() -> None:
    """A decoder fills missing rows with just this grey."""
    image = Image.open(io.BytesIO(clouds(0, 120)))
    image.paste((128, 128, 128), (0, 60, 120, 120))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    assert np.array_equal(decode(buffer.getvalue()[:-2]), decode(buffer.getvalue()))


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("picture.jpg", JPEG)
    return buffer.getvalue()


def _box(kind: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + kind + b"\0\0\0\0mif1" + bytes(200)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "an empty file"),
        (bytes(100), "a file of 100 zero bytes"),
        (b"\n <!DOCTYPE html><html>404</html>", "a web page (HTML)"),
        (b"\xef\xbb\xbf<html lang=fr>", "a web page (HTML)"),
        (b"<?xml version='1.0'?><!-- logo --><svg xmlns='x'/>", "an SVG drawing"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML document"),
        (b'{"error": "not found"}', "JSON text"),
        (b"%PDF-1.7\n", "a PDF document"),
        (_zip(), "a zip archive, or a document in one"),
        (_saved("BMP"), "a BMP picture"),
        (_saved("TIFF"), "a TIFF picture, or a camera's raw file"),
        (_saved("AVIF"), "an AVIF picture"),
        (_box(b"heic"), "a HEIC picture, as iPhones take them"),
        (_box(b"isom"), "a film (MP4)"),
        (b"https://shop.example/a.jpg", "a URL; send it as the picture's `url`"),
        ("Image indisponible, désolé.".encode(), "text"),
        (b"\x01\x02\xfe" * 50, "a file of 150 bytes of no known kind"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_picture_is_called_by_its_name(data: bytes, kind: str) -> None:
    with pytest.raises(UnreadableImageError) as error:
        decode(data)
    assert str(error.value) == f"this is {kind}, and no JPEG, PNG, WEBP or GIF picture"
