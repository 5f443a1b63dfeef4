"""Decodes a picture with Pillow, in this process."""

import io
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from shared.model.images.truncation import completed
from shared.picture_files import UnreadableImageError, essentials, kind_of, orientation

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")

_BEGINNINGS = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"GIF8")

Pixels = npt.NDArray[np.uint8]

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By the orientation, what sets a picture upright."""

_LARGE, _LARGE_JPEG = 4_000_000, 16_000_000
"""Pixels from which a picture is large. A JPEG takes up to 6 bytes per pixel, usually far less; others take 4 to 16."""
_TILE = 1024

# Pillow's warning about many pixels is not needed: `attempt` has a limit. It is set once, as all threads share filters.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


class _DamagedError(UnreadableImageError):
    """Pillow cannot read the file; perhaps it can without what is not needed for the pixels."""


def is_small(image: Image.Image) -> bool:
    """Whether several such pictures can be decoded at a time."""
    return image.width * image.height <= (_LARGE_JPEG if image.format in ("JPEG", "MPO") else _LARGE)


def attempt(
    data: bytes, size: int, max_pixels: int, proceed: Callable[[Image.Image], bool]
) -> Pixels | UnreadableImageError | None:
    """Decode a picture to pixels of shape (size, size, 3), without what is not needed for them if that is the trouble.

    An error is returned, not raised: its traceback would hold on to a large picture when the next one's turn has come.

    Args:
        proceed: Told of the picture once its header is read; tells whether to decode it.

    Returns:
        `None` if it is not to be decoded.
    """
    outcome = _attempt(data, size, max_pixels, proceed)
    if not isinstance(outcome, _DamagedError) or (rest := essentials(data)) is None:
        return outcome
    try:
        again = _attempt(completed(rest), size, max_pixels, proceed)
    except UnreadableImageError as error:
        return error.with_traceback(None)
    except Exception:  # as in `_attempt`
        return outcome
    return outcome if isinstance(again, _DamagedError) else again


def _attempt(
    data: bytes, size: int, max_pixels: int, proceed: Callable[[Image.Image], bool]
) -> Pixels | UnreadableImageError | None:
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
            return np.asarray(_rgb(_upright(image)).resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0))
    except UnidentifiedImageError:
        if data.startswith(_BEGINNINGS):
            return _DamagedError("the picture cannot be decoded: its beginning is damaged")
        return UnreadableImageError(
            f"this is {kind_of(data)}, and no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture"
        )
    except Image.DecompressionBombError as error:  # Pillow's limit, which applies to a GIF before ours
        return UnreadableImageError(f"the picture has too many pixels: {error}", code="image_too_large")
    except Exception as error:  # decoders raise whatever they like on damaged data
        return _DamagedError(f"the picture cannot be decoded: {str(error) or type(error).__name__}")


def _upright(image: Image.Image) -> Image.Image:
    """Return the picture turned as its Exif data say; the one that was given is closed if it had to be turned."""
    image.load()  # a PNG may have them at its end
    method = _TURNS.get(orientation(image.info.get("exif", b"")))
    if method is None:
        return image
    turned = image.transpose(method)
    image.close()  # its pixels are needed no more
    return turned


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
