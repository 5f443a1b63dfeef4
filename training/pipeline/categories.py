"""The categories that a training's models answer with, in the order of the networks' outputs."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from shared.model.levels import Levels
from shared.taxonomy import Taxonomy


@dataclass(frozen=True)
class Categories:
    """A class is an index into `codes`."""

    taxonomy: Taxonomy
    codes: tuple[str, ...]

    @classmethod
    def of(cls, taxonomy: Taxonomy, labelled: Iterable[str]) -> "Categories":
        """Return the taxonomy's leaves that an item is labelled with, in the taxonomy's order."""
        present = set(labelled)
        return cls(taxonomy, tuple(leaf.code for leaf in taxonomy.leaves if leaf.code in present))

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(map(self.taxonomy.name_of, self.codes))

    @cached_property
    def class_of(self) -> dict[str, int]:
        return {code: index for index, code in enumerate(self.codes)}

    @cached_property
    def levels(self) -> Levels:
        """What lies above `codes`."""
        return Levels(self.codes, self.taxonomy)

    def classes(self, codes: Iterable[str]) -> npt.NDArray[np.int64]:
        """Return each code's class; raises `KeyError` for a code that is none."""
        return np.array([self.class_of[code] for code in codes], np.int64)

    def below(self, code: str) -> npt.NDArray[np.int64]:
        """Return the classes that lie below a category; none for one that the taxonomy does not know."""
        if code in self.class_of:
            return np.array([self.class_of[code]], np.int64)
        if code not in self.levels.inner:
            return np.empty(0, np.int64)
        return np.flatnonzero((self.levels.above == self.levels.inner.index(code)).any(axis=1))

    def codes_of(self, classes: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
        return np.array(self.codes, np.str_)[classes]

    def told(self, code: str) -> str:
        """Return the code with its name, for sentences; a code that is the path to its name says it already."""
        name = self.taxonomy.name_of(code)
        return code if code == name or code.endswith(f"> {name}") else f"{code} ({name})"
