"""A picture's bytes to the VGG16 network's input, for training and serving alike."""

import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

SIZE = 224
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MAX_PIXELS = 85_000_000

Pixels = npt.NDArray[np.uint8]


class UnreadableImageError(ValueError):
    """The bytes are no picture that can be classified; the message says why, for the person who sent them."""


def decode(data: bytes, size: int = SIZE) -> Pixels:
    """Pixels of shape (size, size, 3), RGB, 0 to 255.

    The whole picture is squeezed into the square, as in the original project; transparency becomes white.

    Raises:
        UnreadableImageError: not a JPEG, PNG, WebP or GIF, cut short, damaged, or over `MAX_PIXELS`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own pixel warning: the limit is checked below
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise UnreadableImageError(
                        f"the picture has {image.width}×{image.height} pixels; at most {MAX_PIXELS:,} are accepted"
                    )
                image.draft("RGB", (size, size))  # JPEG only: decode at a fraction of the size, far cheaper
                upright = ImageOps.exif_transpose(image)
                small = _rgb(upright).resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    except UnreadableImageError:
        raise
    except UnidentifiedImageError:
        raise UnreadableImageError(f"not a picture: {len(data)} bytes that are no {', '.join(FORMATS)}") from None
    except Exception as error:  # decoders raise whatever they like on damaged data
        raise UnreadableImageError(f"the picture cannot be decoded: {error}") from error
    return np.asarray(small)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return Image.fromarray((np.asarray(image, np.float32) / 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        canvas = Image.new("RGBA", image.size, "white")
        canvas.alpha_composite(image.convert("RGBA"))
        return canvas.convert("RGB")
    return image.convert("RGB")
