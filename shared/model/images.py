"""A picture's bytes to the VGG16 network's input, for training and serving alike."""

import io
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

SIZE = 224
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MAX_PIXELS = 85_000_000
"""Limit for training; the service has a lower one."""

Pixels = npt.NDArray[np.uint8]

_LARGE, _LARGE_JPEG = 4_000_000, 16_000_000
"""Pixels above which a picture is decoded by the thread for large ones. A JPEG takes up to 6 bytes per pixel, usually
far less; other formats take 4 to 16."""
_TILE = 1024

_large = ThreadPoolExecutor(1, thread_name_prefix="large-pictures")
"""Decodes large pictures one after the other: each can take hundreds of megabytes, and every thread could get one.

This is a thread instead of a lock, because malloc keeps the memory that a thread has freed for that thread.
"""

# Pillow's warning about many pixels is not needed: `decode` has a limit. It is set once, as all threads share filters.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


class UnreadableImageError(ValueError):
    """The bytes are not a picture that can be classified; the message tells the sender why.

    `code` is `image_unreadable`, or `image_too_large` for a picture with too many pixels.
    """

    def __init__(self, message: str, code: str = "image_unreadable") -> None:
        super().__init__(message)
        self.code = code


def decode(data: bytes, size: int = SIZE, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode a picture to pixels of shape (size, size, 3), RGB, 0 to 255.

    The whole picture is squeezed into the square, as in the original project; transparency becomes white. An animation
    is reduced to its first frame.

    Raises:
        UnreadableImageError: It is not a JPEG, PNG, WebP or GIF, is truncated or damaged, or exceeds `max_pixels`.
    """
    # GIFs always go to that thread: merely opening one can take memory for all the pixels in its header.
    outcome = None if data.startswith(b"GIF8") else _attempt(data, size, max_pixels)
    if outcome is None:
        outcome = _large.submit(_attempt, data, size, max_pixels, alone=True).result()
        assert outcome is not None  # noqa: S101  # with `alone` it is never `None`
    if isinstance(outcome, UnreadableImageError):
        raise outcome
    return outcome


def _attempt(data: bytes, size: int, max_pixels: int, *, alone: bool = False) -> Pixels | UnreadableImageError | None:
    """`None` for a large picture, unless it is `alone`.

    An error is returned, not raised: its traceback would hold on to a large picture when the next one's turn has come.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            pixels = image.width * image.height
            if pixels > max_pixels:
                return UnreadableImageError(
                    f"the picture has {image.width}×{image.height} pixels; at most {max_pixels:,} are accepted",
                    code="image_too_large",
                )
            if not alone and pixels > (_LARGE_JPEG if image.format in ("JPEG", "MPO") else _LARGE):
                return None
            image.draft("RGB", (size, size))  # JPEG only: decode at a fraction of the size, far cheaper
            # Rotation would be cheaper after resizing, but then the rounding, and so the pixels, would differ.
            ImageOps.exif_transpose(image, in_place=True)
            return np.asarray(_rgb(image).resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0))
    except UnidentifiedImageError:
        return UnreadableImageError(f"not a picture: {len(data)} bytes that are no {', '.join(FORMATS)}")
    except Image.DecompressionBombError as error:  # Pillow's limit, which applies to a GIF before ours
        return UnreadableImageError(f"the picture has too many pixels: {error}", code="image_too_large")
    except Exception as error:  # decoders raise whatever they like on damaged data
        return UnreadableImageError(f"the picture cannot be decoded: {str(error) or type(error).__name__}")


def _rgb(image: Image.Image) -> Image.Image:
    """Convert tile by tile, because converting takes several times the memory of its input."""
    if image.mode == "RGB":
        return image
    if image.width <= _TILE and image.height <= _TILE:
        return _tile_to_rgb(image)
    whole = Image.new("RGB", image.size)
    for top in range(0, image.height, _TILE):
        for left in range(0, image.width, _TILE):
            box = (left, top, min(left + _TILE, image.width), min(top + _TILE, image.height))
            whole.paste(_tile_to_rgb(image.crop(box)), box)
    return whole


def _tile_to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        # 16 bits to 8: 65535 / 257 = 255.
        return Image.fromarray((np.asarray(image, np.float32) / 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        canvas = Image.new("RGBA", image.size, "white")
        canvas.alpha_composite(image.convert("RGBA"))
        return canvas.convert("RGB")
    return image.convert("RGB")
