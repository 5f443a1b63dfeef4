"""Thumbnails of what people send: pictures of all forms, and files that are made to be expensive."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from api.items.thumbnails import thumbnail
from tests.pictures import jpeg, many_profiles, many_scans

SIDE = 128
TURNED, GPS = 0x0112, 0x8825


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(data))


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@given(
    st.sampled_from(["JPEG", "PNG", "WEBP"]),
    st.sampled_from(["RGB", "L", "RGBA", "P", "CMYK", "I;16"]),
    st.integers(1, 900),
    st.integers(1, 900),
)
def test_a_thumbnail_is_a_small_jpeg_of_the_whole_picture(form: str, mode: str, width: int, height: int) -> None:
    kept = {"JPEG": ("RGB", "L", "CMYK"), "PNG": ("RGB", "L", "RGBA", "P", "I;16"), "WEBP": ("RGB", "RGBA")}[form]
    made = thumbnail(saved(Image.new(mode if mode in kept else "RGB", (width, height)), form), SIDE)
    if max(width, height) <= SIDE:
        assert made is None
        return
    small = opened(made)
    assert (small.format, max(small.size)) == ("JPEG", SIDE)
    shorter = min(width, height) * SIDE / max(width, height)
    assert abs(min(small.size) - shorter) <= 1


def test_it_is_upright_and_without_metadata() -> None:
    exif = Image.Exif()
    exif[TURNED] = 6
    exif[GPS] = {1: "N"}
    small = opened(thumbnail(saved(Image.new("RGB", (400, 200)), "JPEG", exif=exif, comment=b"by me"), SIDE))
    assert small.size == (SIDE // 2, SIDE)
    assert not small.getexif()
    assert "comment" not in small.info


def test_what_is_transparent_becomes_white() -> None:
    small = opened(thumbnail(saved(Image.new("RGBA", (300, 300), (0, 0, 0, 0)), "PNG"), SIDE))
    assert small.getpixel((64, 64)) == (255, 255, 255)


def test_sixteen_bits_keep_their_shades() -> None:
    small = opened(thumbnail(saved(Image.new("I;16", (300, 300), 257 * 100), "PNG"), SIDE))
    assert small.getpixel((64, 64)) == (100, 100, 100)


def test_a_huge_photograph_is_decoded_at_a_fraction() -> None:
    assert max(opened(thumbnail(jpeg(size=(9000, 9000)), SIDE)).size) == SIDE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        jpeg(size=(400, 300))[:200],
        many_scans(2000),
        saved(Image.new("1", (9000, 9000)), "PNG"),
        saved(Image.new("RGB", (4000, 3000)), "JPEG", progressive=True),
    ],
    ids=["empty", "a GIF", "SVG", "cut off", "many scans", "many pixels", "many pixels step by step"],
)
def test_what_is_damaged_or_expensive_gets_none(data: bytes) -> None:
    assert thumbnail(data, SIDE) is None


def test_superfluous_parts_are_not_read() -> None:
    assert thumbnail(many_profiles(3000), 32) is not None
