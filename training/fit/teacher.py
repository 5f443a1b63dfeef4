"""A linear model over TF-IDF that teaches the LSTM: it needs fewer examples, and errs elsewhere."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC
from tqdm import tqdm

from shared.model.fusion import Probabilities, softmax
from training.fit.fusion import deal_folds

_FOLDS = 5
_PENALTY = 0.3
_LONGEST = 100
"""Words: what stands behind them in a description hardly tells the type."""

Texts = Sequence[Sequence[str]]


def teach(
    labelled: Texts, classes: npt.NDArray[np.int64], unlabelled: Texts, width: int, seed: int
) -> tuple[Probabilities, Probabilities]:
    """What the linear model thinks of the labelled texts and of the unlabelled ones, of shape (texts, width) each.

    A labelled text is judged by a model that has not seen it (five folds); so the answers are as unsure as they should
    be, and one temperature, fitted on them, makes probabilities of the margins of all.
    """
    texts, others = _joined(labelled), _joined(unlabelled)
    margins = np.empty((len(texts), width))
    folds = deal_folds(classes, _FOLDS, seed)
    for fold in tqdm(np.unique(folds), desc="linear teacher", unit="fold", disable=None):
        out = folds == fold
        margins[out] = _Linear(texts[~out], classes[~out], width).margins(texts[out])
    sharpness = _fitted_sharpness(margins, classes)
    answers = _Linear(texts, classes, width).margins(others) if len(others) else np.empty((0, width))
    return softmax(margins * sharpness), softmax(answers * sharpness)


class _Linear:
    """A support vector machine over words, pairs of words, and three to five characters within words."""

    def __init__(self, texts: npt.NDArray[Any], classes: npt.NDArray[np.int64], width: int) -> None:
        self._width = width
        self._words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")  # noqa: S106
        self._characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2)
        features = hstack([self._words.fit_transform(texts), self._characters.fit_transform(texts)])
        self._machine = LinearSVC(C=_PENALTY, random_state=0).fit(csr_matrix(features), classes)

    def margins(self, texts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """(texts, width); a class without an example has the lowest margin there is."""
        features = hstack([self._words.transform(texts), self._characters.transform(texts)])
        found = self._machine.decision_function(csr_matrix(features))
        if found.ndim == 1:  # of two classes, scikit-learn tells the second one's margin
            found = np.stack([-found, found], axis=1)
        margins = np.full((len(texts), self._width), found.min())
        margins[:, self._machine.classes_] = found
        return margins


def _fitted_sharpness(margins: npt.NDArray[np.float64], classes: npt.NDArray[np.int64]) -> float:
    rows = np.arange(len(classes))

    def loss(sharpness: float) -> float:
        return float(-np.log(softmax(margins * sharpness)[rows, classes] + 1e-12).mean())

    return float(minimize_scalar(loss, bounds=(0.5, 20), method="bounded").x)


def _joined(texts: Texts) -> npt.NDArray[Any]:
    return np.array([" ".join(text[:_LONGEST]) for text in texts], object)
