import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.model.images import UnreadableImageError, decode
from shared.settings import ROOT
from tests.pictures import jpeg


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_a_jpeg_becomes_a_square_of_pixels() -> None:
    pixels = decode(jpeg("blue", (500, 300)))
    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.uint8
    assert pixels.mean(axis=(0, 1)) == pytest.approx([0, 0, 254], abs=3)


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        (Image.new("RGBA", (9, 9), (0, 0, 0, 0)), "PNG", (255, 255, 255)),
        (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "JPEG", (255, 0, 0)),
        (Image.new("L", (9, 9), 128), "JPEG", (128, 128, 128)),
        (Image.new("1", (9, 9), 1), "PNG", (255, 255, 255)),
        (Image.fromarray(np.full((9, 9), 65535, np.uint16)), "PNG", (255, 255, 255)),
        (Image.new("RGB", (1, 1), "lime"), "WEBP", (0, 255, 0)),
        (Image.new("P", (9, 9), 0), "GIF", (0, 0, 0)),
    ],
    ids=["transparent", "cmyk", "grey", "bilevel", "16-bit", "one-pixel", "palette"],
)
def test_every_mode_becomes_rgb(image: Image.Image, kind: str, expected: tuple[int, int, int]) -> None:
    assert decode(_encoded(image, kind)).mean(axis=(0, 1)) == pytest.approx(expected, abs=8)


def test_a_rotated_photograph_is_set_upright() -> None:
    image = Image.new("RGB", (200, 100), "white")
    image.paste("black", (0, 0, 100, 100))  # black on the left, which is at the top once it is turned
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = decode(_encoded(image, "JPEG", exif=exif))
    assert pixels[:50].mean() < 10
    assert pixels[-50:].mean() > 245


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_every_orientation_is_undone(orientation: int, kind: str) -> None:
    """Rotation as in every viewer: the red corner ends where the standard says."""
    image = Image.new("RGB", (40, 40), "white")
    image.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(_encoded(image, kind, exif=exif, **({} if kind == "JPEG" else {"lossless": True})))
    corners = {(0, 0): {1, 5}, (0, -1): {2, 6}, (-1, -1): {3, 7}, (-1, 0): {4, 8}}
    red = [corner for corner in corners if pixels[corner][1] < 128]
    assert [orientation in corners[corner] for corner in red] == [True]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_reduced_to_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "lime", "blue")]
    animation = _encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    assert (decode(animation) == (255, 0, 0)).all()


def test_sixteen_bits_are_reduced_to_the_upper_eight() -> None:
    grey = Image.fromarray(np.full((9, 9), 0x8080, np.uint16))
    assert (decode(_encoded(grey, "PNG")) == 0x80).all()
    assert (decode(_png_of_16_bits((0xFFFF, 0x8080, 0x0000), (9, 9))) == (0xFF, 0x80, 0x00)).all()


def test_a_transparent_colour_of_a_palette_becomes_white() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 255, 0, 255, 0])
    image.paste(1, (4, 0, 8, 8))
    for kind in ("PNG", "GIF"):
        pixels = decode(_encoded(image, kind, transparency=0))
        assert tuple(pixels[0, 0]) == (255, 255, 255)
        assert tuple(pixels[0, -1]) == (0, 255, 0)


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1), (1, 1), (3000, 2)], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_picture_of_any_shape_is_squeezed_into_the_square(size: tuple[int, int], mode: str) -> None:
    picture = Image.new("RGB", size, (200, 200, 200)).convert(mode)
    assert (decode(_encoded(picture, "PNG")) == 200).all()


def test_a_large_picture_is_composed_of_its_parts_without_a_seam() -> None:
    """Converted tile by tile, it is what it would be in one piece."""
    noise = np.random.default_rng(1).integers(0, 256, (1500, 2600, 4), np.uint8)
    image = Image.fromarray(noise, "RGBA")
    whole = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    expected = whole.resize((224, 224), Image.Resampling.BILINEAR, reducing_gap=2.0)
    assert (decode(_encoded(image, "PNG", compress_level=1)) == np.asarray(expected)).all()


@pytest.mark.parametrize("data", [b"", b"no picture", jpeg()[:200], b"%PDF-1.4"], ids=["empty", "text", "cut", "pdf"])
def test_bytes_that_are_no_whole_picture_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableImageError) as caught:
        decode(data)
    assert caught.value.code == "image_unreadable"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_a_damaged_picture_is_decoded_or_refused(kind: str) -> None:
    rng = np.random.default_rng(3)
    whole = _encoded(Image.fromarray(rng.integers(0, 255, (40, 60, 3), np.uint8)), kind)
    for _ in range(200):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 5):
            data[place] = rng.integers(256)
        with suppress(UnreadableImageError):
            assert decode(bytes(data[: rng.integers(1, len(data) + 1)])).shape == (224, 224, 3)


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(UnreadableImageError, match="100×100 pixels; at most 1,000") as caught:
        decode(jpeg(size=(100, 100)), max_pixels=1000)
    assert caught.value.code == "image_too_large"
    assert decode(jpeg(size=(100, 100)), max_pixels=10_000).shape == (224, 224, 3)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest has taken our own filter away
@pytest.mark.parametrize("side", [10_000, 20_000, 65_535])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    for bomb in (_png_of_16_bits((0, 0, 0), (side, side), rows=0), _gif_of_one_frame(side)):
        with pytest.raises(UnreadableImageError, match="pixels") as caught:
            decode(bomb)
        assert caught.value.code == "image_too_large"


_BOMBS_AT_ONCE = """
import resource, sys
import psutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shared.model.images import UnreadableImageError, decode

def attempt(data):
    try:
        return decode(data).shape
    except UnreadableImageError as error:
        return error.code

def peak():
    return sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) // 1024

data = Path(sys.argv[1]).read_bytes()
before = peak()
with ThreadPoolExecutor(8) as threads:
    answers = set(threads.map(attempt, [data] * 8))
for process in psutil.Process().children():  # its figures count once it has ended
    process.kill()
    process.wait()
print(peak() - before, *answers)
"""


@pytest.mark.parametrize(
    ("bomb", "answer"),
    [
        (lambda: _encoded(Image.new("RGB", (6000, 6000)), "PNG"), "(224, 224, 3)"),
        (lambda: _encoded(Image.new("RGB", (6000, 6000)), "PNG")[:40_000], "image_unreadable"),
        (lambda: _encoded(Image.new("RGB", (6000, 6000)), "JPEG", progressive=True), "(224, 224, 3)"),
        (lambda: _encoded(Image.new("RGB", (3000, 3000)), "WEBP", method=0), "(224, 224, 3)"),
        (lambda: _gif_of_one_frame(13_000), "image_too_large"),
    ],
    ids=["png", "cut-png", "progressive-jpeg", "webp", "gif"],
)
def test_large_pictures_are_decoded_one_at_a_time(bomb: Callable[[], bytes], answer: str, tmp_path: Path) -> None:
    """One takes 110 to 170 MiB; all eight at once would take over 800."""
    data = bomb()
    assert len(data) < 500_000
    (tmp_path / "bomb").write_bytes(data)
    command = [sys.executable, "-c", _BOMBS_AT_ONCE, str(tmp_path / "bomb")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    grown, seen = ended.stdout.strip().split(" ", 1)
    assert seen == answer
    assert int(grown) < 250


def _png_of_16_bits(colour: tuple[int, int, int], size: tuple[int, int], rows: int | None = None) -> bytes:
    """Pillow writes none of three channels; with fewer `rows` than it promises, a picture that is cut short."""
    width, height = size
    line = b"\0" + struct.pack(">3H", *colour) * width if rows != 0 else b""
    chunks = {
        b"IHDR": struct.pack(">2I5B", width, height, 16, 2, 0, 0, 0),
        b"IDAT": zlib.compress(line * (height if rows is None else rows)),
        b"IEND": b"",
    }
    parts = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _gif_of_one_frame(side: int) -> bytes:
    """A few bytes; Pillow makes room for the frame when it opens it, for it is to be disposed of later."""
    screen = b"GIF89a" + struct.pack("<2H3B", 1, 1, 0x80, 0, 0) + bytes(6)
    control = b"!\xf9\x04" + struct.pack("<BHB", 2 << 2, 0, 0) + b"\0"
    return screen + control + b"," + struct.pack("<4HB", 0, 0, side, side, 0) + b"\x02\x02\x44\x01\0;"
