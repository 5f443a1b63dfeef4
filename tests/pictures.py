"""Pictures made for a test."""

import base64
import io
import struct
import zlib

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


def saved_again(picture: bytes, scale: float, quality: int) -> bytes:
    """The picture in another size, as a JPEG of another quality."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        size = round(image.width * scale), round(image.height * scale)
        image.convert("RGB").resize(size).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def many_scans(count: int, side: int = 300) -> bytes:
    """A progressive JPEG whose last scan, of few bytes, comes again and again."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), "green").save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[last:end] * (count - data.count(b"\xff\xda")) + data[end:]


def many_profiles(count: int, size: int = 1 << 20) -> bytes:
    """A PNG with a colour profile of few bytes, again and again, each of which has this size when unpacked."""
    profile = b"profile\0\0" + zlib.compress(bytes(size))
    chunk = struct.pack(">I", len(profile)) + b"iCCP" + profile + struct.pack(">I", zlib.crc32(b"iCCP" + profile))
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(buffer, "PNG")
    data = buffer.getvalue()
    head = data.index(b"IDAT") - 4
    return data[:head] + chunk * count + data[head:]


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
