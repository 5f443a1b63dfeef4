"""A small JPEG of a picture that somebody sent, for pages that show many of them.

The workers' decoder (`shared.model.images`) makes pixels for the model, and needs numpy, which the API is without.
"""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from PIL import Image, ImageOps

from shared.picture_files import essentials, is_plain

log = logging.getLogger(__name__)

_FORMATS = ("JPEG", "PNG", "WEBP")
_MOST_PIXELS, _MOST_BASELINE_PIXELS = 8_000_000, 85_000_000
"""Pixels of a picture that is decoded: all of them, in tenths of a second; and of a baseline JPEG, a fraction."""
_QUALITY = 82
_WAIT_S = 2.0
"""Seconds for the pictures before: a thread that waits answers nobody else."""
_turn = Lock()
"""One picture at a time, so that all threads together need the memory of one."""

# Pillow's warning about many pixels is not needed, because of the limits above.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def thumbnail(data: bytes, side: int) -> bytes | None:
    """Return a JPEG of the whole picture, upright and on white, with at most `side` pixels on its longer side.

    It has none of the picture's metadata, such as the place where it was taken.

    Returns:
        `None` if the picture is no larger, is no JPEG, PNG or WebP, is damaged, or would take long to decode.
    """
    try:
        usual = data if is_plain(data) else essentials(data) or b""
        if not is_plain(usual):
            return None
        with _in_turn(), Image.open(io.BytesIO(usual), formats=_FORMATS) as image:
            if max(image.size) <= side or image.width * image.height > _most_pixels(image):
                return None
            image.draft("RGB", (side, side))
            small = _on_white(image)
            small.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
            made = io.BytesIO()
            ImageOps.exif_transpose(small).save(made, "JPEG", quality=_QUALITY, comment=b"")
            return made.getvalue()
    except Exception as error:  # decoders raise whatever they like on damaged data
        log.info("no thumbnail: %s", error)
        return None


@contextmanager
def _in_turn() -> Iterator[None]:
    if not _turn.acquire(timeout=_WAIT_S):
        raise TimeoutError(f"others took more than {_WAIT_S} s")
    try:
        yield
    finally:
        _turn.release()


def _most_pixels(image: Image.Image) -> int:
    is_baseline = image.format in ("JPEG", "MPO") and not image.info.get("progressive")
    return _MOST_BASELINE_PIXELS if is_baseline else _MOST_PIXELS


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits to 8: 65535 / 257 = 255
        return image.convert("I").point(lambda value: value * (1 / 257) + 0).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    canvas = Image.new("RGBA", image.size, "white")
    canvas.alpha_composite(image.convert("RGBA"))
    return canvas.convert("RGB")
