"""A linear model over TF-IDF that teaches the LSTM: it needs fewer examples, and makes other mistakes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from shared.model.fusion import Probabilities, softmax
from training.fit.fusion import deal_folds

_FOLDS = 5
_PENALTY = 0.3
_MAX_WORDS = 100
"""Later words of a description hardly tell the type."""

Margins = npt.NDArray[np.float64]
Texts = Sequence[Sequence[str]]


def teach(
    labelled: Texts, classes: npt.NDArray[np.int64], unlabelled: Texts, width: int, seed: int
) -> tuple[Probabilities, Probabilities]:
    """Return the linear model's probabilities for the labelled and the unlabelled texts, (texts, width) each.

    A labelled text is judged by a model that was fitted without it (five folds), so the answers are no surer than they
    should be. One temperature, fitted on these answers, makes probabilities of all margins.
    """
    texts, others, known = _joined(labelled), _joined(unlabelled), np.unique(classes)
    folds = PredefinedSplit(deal_folds(classes, _FOLDS, seed))
    out_of_fold = cross_val_predict(_linear_model(), texts, classes, cv=folds, method="decision_function")
    margins = _by_class(out_of_fold, known, width)
    sharpness = _fitted_sharpness(margins, classes)
    if not len(others):
        return softmax(margins * sharpness), np.empty((0, width), np.float32)
    answers = _linear_model().fit(texts, classes).decision_function(others)
    return softmax(margins * sharpness), softmax(_by_class(answers, known, width) * sharpness)


def _linear_model() -> Any:
    """A support vector machine over words, pairs of words, and three to five characters within words."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")  # noqa: S106
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2)
    return make_pipeline(make_union(words, characters), LinearSVC(C=_PENALTY, random_state=0))


def _by_class(found: Margins, known: npt.NDArray[np.int64], width: int) -> Margins:
    """Spread the margins of the known classes over all; a class without an example gets the lowest margin there is."""
    if found.ndim == 1:  # for two classes scikit-learn returns the second one's margin
        found = np.stack([-found, found], axis=1)
    lowest = found[found > np.finfo(np.float64).min].min()  # scikit-learn's filler for a class that a fold lacks
    margins = np.full((len(found), width), lowest)
    margins[:, known] = np.maximum(found, lowest)
    return margins


def _fitted_sharpness(margins: Margins, classes: npt.NDArray[np.int64]) -> float:
    rows = np.arange(len(classes))

    def loss(sharpness: float) -> float:
        return float(-np.log(softmax(margins * sharpness)[rows, classes] + 1e-12).mean())

    return float(minimize_scalar(loss, bounds=(0.5, 20), method="bounded").x)


def _joined(texts: Texts) -> npt.NDArray[Any]:
    return np.array([" ".join(text[:_MAX_WORDS]) for text in texts], object)
