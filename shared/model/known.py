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
    codes: npt.NDArray[np.str_]
    """The label: a category's code."""
    learned: npt.NDArray[np.bool_]
    """Whether it was in the training or the validation split; other items were held out."""

    def save(self, path: Path) -> None:
        """Write the rows; each code is written once, and every row has its number, which takes two bytes for most."""
        distinct, numbers = np.unique(self.codes, return_inverse=True)
        narrow = numbers.astype(np.min_scalar_type(max(len(distinct) - 1, 0)))
        np.savez(path, identities=self.identities, distinct_codes=distinct, codes=narrow, learned=self.learned)

    @classmethod
    def load(cls, path: Path) -> "KnownItems":
        with np.load(path) as arrays:
            codes = arrays["codes"]
            # Bundles of format 3 have the codes themselves, as numbers.
            texts = arrays["distinct_codes"][codes] if "distinct_codes" in arrays else codes.astype(np.str_)
            return cls(arrays["identities"], texts, arrays["learned"])
