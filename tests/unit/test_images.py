import io

import numpy as np
import pytest
from PIL import Image

from shared.model import images
from shared.model.images import UnreadableImageError, decode
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


@pytest.mark.parametrize("data", [b"", b"no picture", jpeg()[:200], b"%PDF-1.4"], ids=["empty", "text", "cut", "pdf"])
def test_what_is_no_whole_picture_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        decode(data)


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    with pytest.raises(UnreadableImageError, match="100×100 pixels; at most 1,000"):
        decode(jpeg(size=(100, 100)))
