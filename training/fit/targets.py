"""The probabilities that a network learns: of many categories, each item keeps only the largest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.model.fusion import Probabilities

FEW = 32
"""Categories whose probability an item keeps; the others' is spread over these. Fewer categories are all kept."""
_CELLS = 2**24
"""The largest number of probabilities that are computed together: 64 MB in float32."""


@dataclass(frozen=True)
class Targets:
    """A row of classes and of their probabilities per item: 5,000 categories take no more memory than 32."""

    classes: npt.NDArray[np.int32]
    """Shape (items, at most `FEW`)."""
    shares: Probabilities
    """The same shape; each row's sum is 1."""
    width: int
    """The number of all classes."""

    @classmethod
    def one_hot(cls, classes: npt.NDArray[np.int64], width: int) -> "Targets":
        """Return targets that are sure of the items' classes."""
        return cls(classes[:, None].astype(np.int32), np.ones((len(classes), 1), np.float32), width)

    @classmethod
    def largest(cls, items: int, width: int, probabilities: Callable[[slice], Probabilities]) -> "Targets":
        """Keep the largest probabilities of each item.

        Args:
            probabilities: Returns those of some rows, of shape (rows, width); it is asked for as many as fit in memory.
        """
        few = min(FEW, width)
        classes, shares = np.empty((items, few), np.int32), np.empty((items, few), np.float32)
        for rows in chunks(items, width):
            found = probabilities(rows)
            if few == width:
                classes[rows], shares[rows] = np.arange(width), found
                continue
            best = np.argpartition(-found, few, axis=1)[:, :few]
            kept = np.take_along_axis(found, best, axis=1)
            classes[rows], shares[rows] = best, kept / kept.sum(axis=1, keepdims=True)
        return cls(classes, shares, width)

    @classmethod
    def joined(cls, parts: "Sequence[Targets]") -> "Targets":
        """Return the items of all parts, one part after the other."""
        few = max(part.classes.shape[1] for part in parts)
        filled = [
            (np.pad(part.classes, missing), np.pad(part.shares, missing))
            for part in parts
            for missing in [((0, 0), (0, few - part.classes.shape[1]))]
        ]
        classes, shares = (np.concatenate(arrays) for arrays in zip(*filled, strict=True))
        return cls(classes, shares, parts[0].width)

    def dense(self, rows: slice | npt.NDArray[np.intp]) -> Probabilities:
        """Return the probabilities of these items, of shape (rows, width)."""
        classes, shares = self.classes[rows], self.shares[rows]
        found = np.zeros((len(classes), self.width), np.float32)
        np.add.at(found, (np.arange(len(classes))[:, None], classes), shares)
        return found


def chunks(items: int, width: int) -> list[slice]:
    """Return slices of rows whose probabilities fit in memory together."""
    size = max(1, _CELLS // max(width, 1))
    return [slice(start, min(start + size, items)) for start in range(0, items, size)]
