"""Decodes a picture with Pillow, in this process."""

import io
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from shared.model.images.errors import UnreadableImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")

Pixels = npt.NDArray[np.uint8]

_LARGE, _LARGE_JPEG = 4_000_000, 16_000_000
"""Pixels from which a picture is large. A JPEG takes up to 6 bytes per pixel, usually far less; others take 4 to 16."""
_TILE = 1024

# Pillow's warning about many pixels is not needed: `attempt` has a limit. It is set once, as all threads share filters.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def is_small(image: Image.Image) -> bool:
    """Whether several such pictures can be decoded at a time."""
    return image.width * image.height <= (_LARGE_JPEG if image.format in ("JPEG", "MPO") else _LARGE)


def attempt(
    data: bytes, size: int, max_pixels: int, proceed: Callable[[Image.Image], bool]
) -> Pixels | UnreadableImageError | None:
    """Decode a picture to pixels of shape (size, size, 3).

    An error is returned, not raised: its traceback would hold on to a large picture when the next one's turn has come.

    Args:
        proceed: Told of the picture once its header is read; tells whether to decode it.

    Returns:
        `None` if it is not to be decoded.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            pixels = image.width * image.height
            if pixels > max_pixels:
                return UnreadableImageError(
                    f"the picture has {image.width}×{image.height} pixels; at most {max_pixels:,} are accepted",
                    code="image_too_large",
                )
            if not proceed(image):
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
