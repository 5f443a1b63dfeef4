"""Pictures made for a test."""

import base64
import io

import numpy as np
from PIL import Image


def jpeg(colour: str = "red", size: tuple[int, int] = (60, 40)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


def clouds(seed: int, size: int) -> bytes:
    """Coloured clouds, as a JPEG: every part of a network has something to see."""
    noise = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((size, size)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
