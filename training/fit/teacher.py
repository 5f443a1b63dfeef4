"""A linear model over TF-IDF that teaches the LSTM: it needs fewer examples, and makes other mistakes.

With few categories it has a support vector machine for each. Their cost grows with the number of categories (2.4
core-seconds and 1.75 MB each on 11,534 products), so with many it is one least-squares fit to all of them in a space of
few dimensions (latent semantic analysis, Deerwester et al. 1990), whose cost hardly grows.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix, vstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC
from sklearn.utils.extmath import randomized_svd

from shared.model.fusion import softmax
from training.fit.fusion import deal_folds
from training.fit.targets import Targets, chunks

_FOLDS = 5
_PENALTY = 0.3
_MAX_WORDS = 100
"""Later words of a description hardly tell the category."""
ONE_BY_ONE = 100
"""The most categories that get a support vector machine each."""
_DIMENSIONS = 400
_RIDGE = 0.1
"""The penalty of the least-squares fit, as a share of the mean squared length of the texts' vectors in a dimension."""

Margins = npt.NDArray[np.float64]
Texts = Sequence[Sequence[str]]
MarginsOf = Callable[[slice], Margins]
"""The margins of some rows, of shape (rows, classes)."""


def teach(
    labelled: Texts, classes: npt.NDArray[np.int64], unlabelled: Texts, width: int, seed: int
) -> tuple[Targets, Targets]:
    """Return the linear model's probabilities for the labelled and for the unlabelled texts.

    A labelled text is judged by a model that was fitted without it (five folds), so the answers are no surer than they
    should be. One temperature, fitted on these answers, makes probabilities of all margins.
    """
    few = len(np.unique(classes)) <= ONE_BY_ONE
    judge = _one_by_one if few else _together
    folds = deal_folds(classes, _FOLDS, seed)
    out_of_fold, answers = judge(_joined(labelled), classes, _joined(unlabelled), folds, width, seed)
    sharpness = _fitted_sharpness(out_of_fold, classes, width)

    def probabilities(of: MarginsOf, items: int) -> Targets:
        return Targets.largest(items, width, lambda rows: softmax(of(rows) * sharpness))

    return probabilities(out_of_fold, len(labelled)), probabilities(answers, len(unlabelled))


def _one_by_one(
    texts: npt.NDArray[Any],
    classes: npt.NDArray[np.int64],
    others: npt.NDArray[Any],
    folds: npt.NDArray[np.intp],
    width: int,
    _: int,
) -> tuple[MarginsOf, MarginsOf]:
    known = np.unique(classes)
    found = cross_val_predict(_linear_model(), texts, classes, cv=PredefinedSplit(folds), method="decision_function")
    margins = _by_class(found, known, width)
    if not len(others):
        return margins.__getitem__, np.empty((0, width)).__getitem__
    answers = _by_class(_linear_model().fit(texts, classes).decision_function(others), known, width)
    return margins.__getitem__, answers.__getitem__


def _together(
    texts: npt.NDArray[Any],
    classes: npt.NDArray[np.int64],
    others: npt.NDArray[Any],
    folds: npt.NDArray[np.intp],
    width: int,
    seed: int,
) -> tuple[MarginsOf, MarginsOf]:
    """Fit all categories at once: per fold one system of as many equations as there are dimensions."""
    vectoriser = _vectoriser()
    labelled = vectoriser.fit_transform(texts)
    weights = vstack([labelled, vectoriser.transform(others)]) if len(others) else labelled
    size = min(_DIMENSIONS, min(weights.shape) - 1)
    left, values, _ = randomized_svd(csr_matrix(weights), size, n_iter=3, random_state=seed)
    vectors = left * values
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    known, unknown = vectors[: len(texts)], vectors[len(texts) :]

    def fitted(chosen: npt.NDArray[np.bool_]) -> Margins:
        rows = known[chosen]
        one_hot = csr_matrix((np.ones(len(rows)), (np.arange(len(rows)), classes[chosen])), shape=(len(rows), width))
        squares = rows.T @ rows
        squares.flat[:: size + 1] += _RIDGE * np.trace(squares) / size
        return np.linalg.solve(squares, (one_hot.T @ rows).T)

    by_fold = [fitted(folds != fold) for fold in range(_FOLDS)]
    whole = fitted(np.ones(len(texts), bool))

    def out_of_fold(rows: slice) -> Margins:
        margins = np.empty((len(known[rows]), width))
        for fold, solution in enumerate(by_fold):
            inside = folds[rows] == fold
            margins[inside] = known[rows][inside] @ solution
        return margins

    return out_of_fold, lambda rows: unknown[rows] @ whole


def _linear_model() -> Any:
    return make_pipeline(_vectoriser(), LinearSVC(C=_PENALTY, random_state=0))


def _vectoriser() -> Any:
    """Words, pairs of words, and three to five characters within words."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")  # noqa: S106
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2)
    return make_union(words, characters)


def _by_class(found: Margins, known: npt.NDArray[np.int64], width: int) -> Margins:
    """Spread the margins of the known classes over all; a class without an example gets the lowest margin there is."""
    if found.ndim == 1:  # for two classes scikit-learn returns the second one's margin
        found = np.stack([-found, found], axis=1)
    lowest = found[found > np.finfo(np.float64).min].min()  # scikit-learn's filler for a class that a fold lacks
    margins = np.full((len(found), width), lowest)
    margins[:, known] = np.maximum(found, lowest)
    return margins


def _fitted_sharpness(margins: MarginsOf, classes: npt.NDArray[np.int64], width: int) -> float:
    rows = chunks(len(classes), width)[0]  # all of them, unless there are very many
    found, right = margins(rows), classes[rows]

    def loss(sharpness: float) -> float:
        return float(-np.log(softmax(found * sharpness)[np.arange(len(right)), right] + 1e-12).mean())

    return float(minimize_scalar(loss, bounds=(0.5, 50), method="bounded").x)


def _joined(texts: Texts) -> npt.NDArray[Any]:
    return np.array([" ".join(text[:_MAX_WORDS]) for text in texts], object)
