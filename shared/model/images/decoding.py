"""Decodes a picture, here or apart, as its form demands."""

from shared.model.images.pillow import Pixels, attempt, is_small
from shared.model.images.process import DecodingProcess
from shared.picture_files import UnreadableImageError, essentials, is_plain

SIZE = 224
_SMALL = 32
"""A side in pixels, where nobody needs the pixels."""
MAX_PIXELS = 85_000_000
"""Limit for training; the service has a lower one."""

_apart = DecodingProcess()


def decode(data: bytes, size: int = SIZE, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode a picture to pixels of shape (size, size, 3), RGB, 0 to 255.

    The whole picture is squeezed into the square, as in the original project; transparency becomes white. An animation
    is reduced to its first frame. What makes no pixels, such as metadata, may be damaged or missing, and so may the
    last rows. A large or unusual picture is decoded in a process of its own, within a budget.

    Raises:
        UnreadableImageError: It is not a JPEG, PNG, WebP or GIF, is cut off or damaged, exceeds `max_pixels`, or
            takes too long.
        OSError: That process cannot be started.
    """
    plain = is_plain(data)
    if not plain and (rest := essentials(data)) is not None and is_plain(rest):
        data, plain = rest, True
    outcome = attempt(data, size, max_pixels, is_small) if plain else None
    if outcome is None:
        return _apart.decode(data, size, max_pixels)
    if isinstance(outcome, UnreadableImageError):
        raise outcome
    return outcome


def check(data: bytes, max_pixels: int = MAX_PIXELS) -> None:
    """Raise what `decode` would raise, as far as the picture's header tells.

    A picture of an unusual form is decoded, because its header tells too little.

    Raises:
        UnreadableImageError: It is not a JPEG, PNG, WebP or GIF, its header is damaged, or it exceeds `max_pixels`.
        OSError: The process for unusual pictures cannot be started.
    """
    if not is_plain(data):
        decode(data, _SMALL, max_pixels)
    elif isinstance(fault := attempt(data, _SMALL, max_pixels, proceed=lambda _: False), UnreadableImageError):
        raise fault
