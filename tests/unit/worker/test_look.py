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
_PICTURES, _RECOGNISED = 30, 0.8
_FAR = 20
"""Bits: other pictures differ in 32 on average."""


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


@pytest.mark.parametrize("variant", VARIANTS)
def test_most_variants_of_a_picture_look_alike(variant: str) -> None:
    images = [product(seed) for seed in range(_PICTURES)]
    alike = [bool(Looks([look(image)]).like(VARIANTS[variant](image))) for image in images]
    assert sum(alike) >= _RECOGNISED * _PICTURES, "not all: a pixel more or less of a margin may change too many bits"


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_a_margin_of_any_width_and_a_little_noise_change_few_bits(seed: int) -> None:
    image = product(seed)
    for variant in VARIANTS.values():
        assert (look(image) ^ variant(image)).bit_count() <= _FAR


@settings(max_examples=20, deadline=None)
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
