"""The same picture in another size, file or frame looks the same, and another picture, or none, does not."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from shared.likeness import Looks
from shared.model.images import decode
from tests.pictures import jpeg
from worker.classify.look import look_of

SEEDS = st.integers(0, 10**6)


def product(seed: int) -> Image.Image:
    """A picture of something, on white."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return ImageOps.expand(Image.fromarray(noise).resize((300, 360), Image.Resampling.BICUBIC), 60, "white")


def look(image: Image.Image, quality: int = 90, kind: str = "JPEG") -> int:
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    return look_of(decode(buffer.getvalue()))


VARIANTS: dict[str, Callable[[Image.Image], int]] = {
    "saved with less quality": lambda image: look(image, 60),
    "as WebP": lambda image: look(image, 75, "WEBP"),
    "at 80 %": lambda image: look(image.resize((image.width * 4 // 5, image.height * 4 // 5))),
    "at half the size": lambda image: look(image.resize((image.width // 2, image.height // 2))),
    "in a wider frame": lambda image: look(ImageOps.expand(image, 20, "white")),
    "cut closer": lambda image: look(ImageOps.crop(image, 30)),
    "on a square": lambda image: look(ImageOps.pad(image, (600, 600), color="white")),
}


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(sorted(VARIANTS)))
def test_variants_of_a_picture_look_alike(seed: int, variant: str) -> None:
    image = product(seed)
    assert Looks([look(image)]).like(VARIANTS[variant](image)), variant


@settings(max_examples=20)
@given(SEEDS, SEEDS)
def test_other_pictures_do_not(one: int, other: int) -> None:
    assert bool(Looks([look(product(one))]).like(look(product(other)))) == (one == other)


@pytest.mark.parametrize("colour", ["white", "black", "teal"])
def test_a_blank_picture_looks_like_nothing(colour: str) -> None:
    assert look_of(decode(jpeg(colour))) == 0
    assert not Looks([0]).like(0)


def test_a_speck_and_a_faint_pattern_look_like_nothing() -> None:
    white = Image.new("RGB", (400, 400), "white")
    white.paste("black", (200, 200, 208, 208))
    faint = np.random.default_rng(1).integers(125, 131, (224, 224, 3), np.uint8)
    assert look(white) == look_of(faint) == 0
