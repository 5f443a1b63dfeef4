"""The labelled items that a bundle's training knew, by hash: a bundle holds no product's text.

A later training is compared with the bundle on items that neither has learned from, and labels that have changed since
are found (`training.judge.held_out`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Identities = npt.NDArray[np.uint64]
"""Hashes of items' content (`training.pipeline.splits.identify`)."""


@dataclass(frozen=True, eq=False)
class KnownItems:
    """A row per distinct item and label; an item whose copies have different labels has several."""

    identities: Identities
    codes: npt.NDArray[np.int64]
    """The label: a prdtypecode."""
    learned: npt.NDArray[np.bool_]
    """Whether it was in the training or the validation split; other items were held out."""

    def save(self, path: Path) -> None:
        np.savez(path, identities=self.identities, codes=self.codes.astype(np.uint16), learned=self.learned)

    @classmethod
    def load(cls, path: Path) -> "KnownItems":
        with np.load(path) as arrays:
            return cls(arrays["identities"], arrays["codes"].astype(np.int64), arrays["learned"])
