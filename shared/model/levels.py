"""The categories above those that a model answers with, and the probability of each: the sum of what lies below it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shared.model.fusion import Probabilities
from shared.taxonomy import Taxonomy


class Levels:
    """What lies above some categories, level by level from the root.

    Args:
        codes: The categories that are answered with, in the order of the probabilities' columns. One that the taxonomy
            does not know has nothing above it.
    """

    def __init__(self, codes: Sequence[str], taxonomy: Taxonomy) -> None:
        places = {category.code: place for place, category in enumerate(taxonomy.categories)}
        paths = [_path(code, taxonomy) for code in codes]
        self.inner: tuple[str, ...] = tuple(dict.fromkeys(upper for path in paths for upper in path[:-1]))
        """The codes of the categories above, each once."""
        self.paths: tuple[tuple[str, ...], ...] = tuple(tuple(path[:-1]) for path in paths)
        """What is above each code, from the root."""
        numbers = {code: number for number, code in enumerate(self.inner)}
        self.depth = max((len(path) - 1 for path in paths), default=0)
        """The greatest number of categories above one; 0 if there is no tree."""
        self.above: npt.NDArray[np.int64] = np.full((len(paths), self.depth), -1)
        """Shape (codes, depth): what is above each code, from the root, as indices of `inner`; then -1."""
        for row, path in enumerate(paths):
            self.above[row, : len(path) - 1] = [numbers[upper] for upper in path[:-1]]
        self._lay_out([[places.get(code, len(places)) for code in path] for path in paths], paths, numbers)

    def sums(self, probabilities: Probabilities, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the probability of each category above an answer, from the root.

        It is at least that of the category below it, and at most 1.

        Args:
            probabilities: Shape (items, codes), without NaN.
            columns: Shape (items,): each item's answer, as an index of the codes.

        Returns:
            Shape (items, depth), NaN where `above` is -1.
        """
        above = self.above[columns]
        if not above.size:
            return np.empty(above.shape)
        rows = np.arange(len(columns))
        ordered = probabilities if self._order is None else np.take(probabilities, self._order, axis=1)
        up_to = np.zeros((len(columns), len(self._cuts) + 1))
        np.cumsum(np.add.reduceat(ordered, self._cuts, axis=1), axis=1, dtype=np.float64, out=up_to[:, 1:])
        of_each = up_to[rows[:, np.newaxis], self._ends[above]] - up_to[rows[:, np.newaxis], self._begins[above]]
        of_each[above < 0] = np.nan
        # Sums in another order differ by their rounding: none may be below what it contains.
        from_below = np.column_stack([of_each, probabilities[rows, columns]])[:, ::-1]
        least = np.fmax.accumulate(from_below, axis=1)[:, ::-1][:, :-1]
        return np.where(above < 0, np.nan, np.minimum(least, 1.0))

    def _lay_out(self, keys: Sequence[list[int]], paths: Sequence[Sequence[str]], numbers: dict[str, int]) -> None:
        """Put the columns into the tree's order, where each category's are a range, and cut it where a range ends.

        So one pass adds up all columns between two cuts, and a category's sum is a difference of two running totals.
        """
        order = sorted(range(len(keys)), key=lambda column: keys[column])
        begins, ends = np.zeros(len(numbers), np.int64), np.zeros(len(numbers), np.int64)
        for position, column in enumerate(order):
            for code in paths[column]:  # a category that is answered with itself belongs to its own range
                if (number := numbers.get(code)) is not None:
                    begins[number] = begins[number] if ends[number] else position
                    ends[number] = position + 1
        self._order = None if order == list(range(len(order))) else np.array(order)
        self._cuts = np.unique(np.concatenate([[0], begins, ends[ends < len(order)]])).astype(np.int64)
        self._begins, self._ends = (np.searchsorted(self._cuts, edges) for edges in (begins, ends))


def _path(code: str, taxonomy: Taxonomy) -> list[str]:
    """The codes from the root to this one."""
    return [category.code for category in taxonomy.path(code)] if code in taxonomy.by_code else [code]
