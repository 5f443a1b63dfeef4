"""What a taxonomy in force makes of a model's answers: merges and retirements take effect without a training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from shared.model.fusion import Prediction, Probabilities
from shared.model.levels import Levels
from shared.taxonomy import Taxonomy
from shared.taxonomy.writing import digest

_ENOUGH = 0.5
"""The share of an item's probability that must be left after retirements for its answer to be more than a guess."""


@dataclass(frozen=True)
class Projected:
    """A batch of answers with the categories that are in force."""

    prediction: Prediction
    doubtful: npt.NDArray[np.bool_]
    """Shape (items,): most of the probability was that of retired categories, so that no confidence can be trusted."""


class Projection:
    """Turns the answers of a model into those of a taxonomy: once per model and taxonomy, for any number of batches.

    What is merged is added to its successor's; a merge into a category that the model was not trained for makes a
    column for it. What is retired is left out, and the others share its probability. If all that the model knows is
    retired, nothing would be left to answer: then no retirement takes effect, and every answer is doubtful.

    Args:
        codes: Those of the model's classes, in the order of the probabilities' columns.
    """

    def __init__(self, codes: Sequence[str], taxonomy: Taxonomy) -> None:
        self.taxonomy = taxonomy
        targets = [taxonomy.successor(code) for code in codes]
        self._nothing_left = all(target is None for target in targets)
        if self._nothing_left:
            targets = list(codes)
        self.codes: tuple[str, ...] = tuple(dict.fromkeys(target for target in targets if target is not None))
        """Those of the projected columns."""
        self.levels = Levels(self.codes, taxonomy)
        """What is above `codes`."""
        self._retires = None in targets
        self._unchanged = self.codes == tuple(codes)
        pairs = [(self.columns[target], column) for column, target in enumerate(targets) if target is not None]
        first = dict(reversed(pairs))
        self._first = np.array([first[column] for column in range(len(self.codes))], np.int64)
        """The first column that goes into each projected one."""
        others = sorted((target, column) for target, column in pairs if first[target] != column)
        self._others = np.array([column for _, column in others], np.int64)
        """The other columns that go somewhere, in the order of where they go."""
        self._into, self._starts = np.unique(np.array([target for target, _ in others], np.int64), return_index=True)

    @cached_property
    def version(self) -> str:
        """What names the taxonomy's content, so that answers by another one are not taken for this one's."""
        return digest(self.taxonomy)

    @cached_property
    def columns(self) -> Mapping[str, int]:
        """The index of each code in `codes`."""
        return {code: column for column, code in enumerate(self.codes)}

    def project(self, prediction: Prediction) -> Projected:
        """Return the answers with a column per code of `codes`; rows of NaN stay so."""
        doubtful = np.full(len(prediction.fused), self._nothing_left)
        if self._unchanged:
            return Projected(prediction, doubtful)
        fused, text, image = (self._merged(branch) for branch in (prediction.fused, prediction.text, prediction.image))
        if self._retires:
            doubtful |= fused.sum(axis=1) < _ENOUGH
            fused, text, image = map(_normalised, (fused, text, image))
        return Projected(Prediction(fused, text, image), doubtful)

    def _merged(self, probabilities: Probabilities) -> Probabilities:
        merged = probabilities[:, self._first]
        if len(self._others):
            merged[:, self._into] += np.add.reduceat(probabilities[:, self._others], self._starts, axis=1)
        return merged


def _normalised(probabilities: Probabilities) -> Probabilities:
    """Make each row add up to 1; where nothing at all is left, every category is as likely as the others."""
    totals = probabilities.sum(axis=1, keepdims=True)
    scaled = probabilities / np.where(totals == 0, 1, totals)
    scaled[totals[:, 0] == 0] = 1 / probabilities.shape[1]
    return np.asarray(scaled, np.float32)
