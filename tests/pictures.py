"""Pictures made for a test."""

import base64
import io

from PIL import Image


def jpeg(colour: str | tuple[int, int, int] = "red", size: tuple[int, int] = (60, 40)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
