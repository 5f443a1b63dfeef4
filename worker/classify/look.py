"""The look of a picture in 64 bits, by which the same picture in another size or file is recognised.

It is a perceptual hash: which of the picture's lowest frequencies are above their median (pHash, C. Zauner,
"Implementation and Benchmarking of Perceptual Image Hash Functions", 2010). A margin of one colour is cut off first,
because most pictures of products have one, and with it small products on white would all look alike.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.model.images import Pixels

_SIDE, _BITS = 32, 64
"""Pixels that the frequencies are computed of, and how many frequencies count."""
_MARGIN = 24
"""By how much pixels of a margin differ at most, of 255: JPEG files are not quite even."""
_LEAST, _FLAT = 8, 8.0
"""Nothing that has fewer of these pixels a side, or differs less from its mean, tells one picture from another."""


def _lowest() -> npt.NDArray[np.intp]:
    """Return the places of the lowest frequencies, without the mean, in a flat table of `_ORDERS` by `_ORDERS`."""
    every = [(row, column) for row in range(_ORDERS) for column in range(_ORDERS) if row + column]
    every.sort(key=lambda place: (sum(place), place))
    return np.array([row * _ORDERS + column for row, column in every[:_BITS]], np.intp)


_ORDERS = 12
_COSINES = np.cos(np.pi * np.outer(np.arange(_ORDERS), 2 * np.arange(_SIDE) + 1) / (2 * _SIDE)).astype(np.float32)
_PLACES = _lowest()


def look_of(pixels: Pixels) -> int:
    """Return what the picture looks like; 0 if it is blank or flat. `shared.likeness.Looks` finds those that are alike.

    Args:
        pixels: (size, size, 3), as the network sees the picture.
    """
    # Every second pixel of one colour tells enough, at a twelfth of the work.
    green = np.ascontiguousarray(pixels[::2, ::2, 1])
    box = _content(green)
    if box is None:
        return 0
    small = Image.fromarray(green).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, box=box)
    seen = np.asarray(small, np.float32)
    if seen.std() < _FLAT:
        return 0
    found = (_COSINES @ seen @ _COSINES.T).ravel()[_PLACES]
    above = found > np.partition(found, _BITS // 2 - 1)[_BITS // 2 - 1]
    return int.from_bytes(np.packbits(above).tobytes(), "big")


def _content(green: npt.NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """Return the box around what is not margin; `None` if that is too little."""
    edge = np.concatenate([green[0], green[-1], green[:, 0], green[:, -1]])
    margin = int(np.partition(edge, len(edge) // 2)[len(edge) // 2])
    # Bytes that wrap around: one comparison for both sides.
    low = max(margin - _MARGIN, 0)
    other = (green - np.uint8(low)) > np.uint8(min(margin + _MARGIN, 255) - low)
    rows, columns = np.flatnonzero(other.any(axis=1)), np.flatnonzero(other.any(axis=0))
    if not len(rows):
        return None
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return box if min(box[2] - box[0], box[3] - box[1]) >= _LEAST else None
