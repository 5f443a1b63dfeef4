"""Which labelled items a bundle's training knew, by hash: no product's text is in a bundle.

A later training is judged against the bundle on items that neither has learned from, and labels that have changed since
are noticed (`training.judge.held_out`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Identities = npt.NDArray[np.uint64]
"""Of items: hashes of their content (`training.pipeline.splits.identify`)."""


@dataclass(frozen=True, eq=False)
class KnownItems:
    """A row per distinct item and label; an item whose copies have different labels has several."""

    identities: Identities
    codes: npt.NDArray[np.int64]
    """The label: a prdtypecode."""
    learned: npt.NDArray[np.bool_]
    """Learned from or tuned on (training and validation split); the others were held out."""

    def save(self, path: Path) -> None:
        np.savez(path, identities=self.identities, codes=self.codes.astype(np.uint16), learned=self.learned)

    @classmethod
    def load(cls, path: Path) -> "KnownItems":
        with np.load(path) as arrays:
            return cls(arrays["identities"], arrays["codes"].astype(np.int64), arrays["learned"])
