"""Padding of batches to a few sizes, because a function is compiled and kept separately for each shape."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Padded:
    """`call` with batches of `sizes` only (ascending); larger batches are computed in parts."""

    def __init__(self, call: Callable[[Array], Any], sizes: Sequence[int]) -> None:
        self._call = call
        self._sizes = sizes

    def __call__(self, batch: Array) -> npt.NDArray[np.float32]:
        """(n, …) to (n, …), for n of one and more."""
        largest = self._sizes[-1]
        parts = [batch[start : start + largest] for start in range(0, len(batch), largest)]
        # All parts are started before the first is awaited: a GPU computes one while it receives the next one's input.
        started = [self._call(self._padded(part)) for part in parts]
        answers = [np.asarray(answer, np.float32)[: len(part)] for answer, part in zip(started, parts, strict=True)]
        return answers[0] if len(answers) == 1 else np.concatenate(answers)

    def _padded(self, part: Array) -> Array:
        size = next(size for size in self._sizes if size >= len(part))
        rows = [(0, size - len(part)), *[(0, 0)] * (part.ndim - 1)]
        return part if len(part) == size else np.pad(part, rows)
