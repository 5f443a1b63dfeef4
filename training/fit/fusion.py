"""The fusion: fits the branches' weights and their calibration, on the validation split alone."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from shared.model.cascade import Cascade, fuse_cascaded, not_looked_at
from shared.model.fusion import Fusion, Lengths, Probabilities, doublings, log, softmax

_CANDIDATES = 200
_PRIOR_ITEMS = 2.0
"""The strength of the pull towards unchanged probabilities, as a number of items."""
_BIAS_PRIOR_ITEMS = 0.5
"""The same for the biases: with 1,467 items a penalty of 0.02 instead cost 0.9 points of weighted F1, and with 60 items
one of 0.001 cost 1.5 points."""


def fit_fusion(text: Probabilities, image: Probabilities, lengths: Lengths, classes: npt.NDArray[np.int64]) -> Fusion:
    """Return the weights with the highest likelihood; a row of NaN is an item that the branch has no answer to.

    The likelihood is a proper score, so the fused probabilities are as calibrated as these few weights allow.
    Small penalties, on biases and on weights that change the branches, keep the fit sound on small splits.

    Args:
        text: The text branch's probabilities, (items, classes).
        image: The image branch's probabilities, (items, classes).
    """
    has_text, has_image = has_answer(text), has_answer(image)
    both = has_text & has_image
    pooled, slopes, bias = _fit([log(text[both]), log(image[both])], classes[both], doublings(lengths[both]))
    text_alone = fit_alone(text[has_text], classes[has_text])
    image_alone = fit_alone(image[has_image], classes[has_image])
    if not has_image.any() or not has_text.any():  # one branch has learned nothing, and so has no say
        pooled[:2] = text_alone * has_text.any(), image_alone * has_image.any()
    return Fusion(
        text=pooled[0],
        image=pooled[1],
        text_slope=slopes[0],
        image_slope=slopes[1],
        text_alone=text_alone,
        image_alone=image_alone,
        bias=tuple(bias.tolist()),
    )


def fit_alone(answers: Probabilities, classes: npt.NDArray[np.int64]) -> float:
    """Return the weight of a single branch with the highest likelihood, which is the inverse of a temperature.

    Args:
        answers: The branch's probabilities, (items, classes), without rows of NaN.
    """
    return float(_fit([log(answers)], classes, None)[0][0])


def out_of_fold(
    text: Probabilities,
    image: Probabilities,
    lengths: Lengths,
    classes: npt.NDArray[np.int64],
    seed: int,
    cascade: Cascade | None = None,
    folds: int = 5,
) -> Probabilities:
    """Return each item's fused probabilities by a fusion fitted without it; NaN where both branches have no answer.

    Whatever else is chosen or measured on the split that the fusion is fitted on, is to use these.

    Args:
        cascade: The one to answer with, whose weight is fitted again without each item; `None`: all pictures count.
    """
    fold = deal_folds(classes, folds, seed)
    fused = np.full_like(text, np.nan)
    skipped = not_looked_at(cascade, text, has_answer(image))
    for number in np.unique(fold):
        out = fold == number
        fusion, rest = fit_fusion(text[~out], image[~out], lengths[~out], classes[~out]), skipped & ~out
        fitted = cascade and cascade.model_copy(update={"text": fit_alone(text[rest], classes[rest])})
        fused[out] = fuse_cascaded(fusion, fitted, text[out], image[out], lengths[out], skipped[out]).fused
    return fused


def has_answer(answers: Probabilities) -> npt.NDArray[np.bool_]:
    """Return which items the branch has answered, of shape (items,): those whose row is not NaN."""
    return ~np.isnan(answers[:, 0])


def unfitted(classes: int) -> Fusion:
    """Return the start of the fit: the mean of the log-probabilities, and a single branch unchanged."""
    return Fusion(text=1 / 2, image=1 / 2, text_alone=1, image_alone=1, bias=(0.0,) * classes)


def deal_folds(classes: npt.NDArray[np.int64], folds: int, seed: int) -> npt.NDArray[np.intp]:
    """A fold per item: shuffled, then dealt out class by class.

    So a class with two items is in two folds. scikit-learn's `StratifiedKFold` warns of a class with fewer items than
    folds, and refuses where all are so rare.
    """
    shuffled = np.random.default_rng(seed).permutation(len(classes))
    by_class = shuffled[np.argsort(classes[shuffled], kind="stable")]
    fold = np.empty(len(classes), np.intp)
    fold[by_class] = np.arange(len(classes)) % folds
    return fold


class _Fitted(NamedTuple):
    weights: npt.NDArray[np.float64]
    """One per branch."""
    slopes: npt.NDArray[np.float64]
    """One per branch."""
    bias: npt.NDArray[np.float64]
    """One per class."""


def _fit(
    branches: list[Probabilities], classes: npt.NDArray[np.int64], doubled: npt.NDArray[np.float64] | None
) -> _Fitted:
    """Return weights, slopes and biases; the last two are zero without `doubled`.

    Args:
        branches: Logarithms of probabilities, (items, classes).
        doubled: What the slopes are multiplied with, (items,).
    """
    width, count = branches[0].shape[1], len(branches)
    neutral = np.concatenate([np.full(count, 1 / count), np.zeros(count + width)])
    if not len(classes):  # nothing to learn from: the branches stay unchanged
        return _split(neutral, count)
    fits_all = doubled is not None
    columns = _candidates(branches, classes)
    candidates = np.stack([np.take_along_axis(branch, columns, axis=1) for branch in branches])
    times = np.zeros(len(classes)) if doubled is None else doubled
    right = columns == classes[:, None]
    pull = np.full(len(neutral), _PRIOR_ITEMS / len(classes))
    pull[2 * count :] = _BIAS_PRIOR_ITEMS / len(classes)

    def loss(fitted: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights, slopes, bias = _split(fitted, count)
        of_items = weights[:, None] + slopes[:, None] * times
        scores = (of_items[:, :, None] * candidates).sum(axis=0) + bias[columns]
        probabilities = softmax(np.asarray(scores, np.float64))
        likelihood = np.log(np.maximum(probabilities[right], 1e-12)).mean()
        residual = (probabilities - right) / len(classes)
        by_item = (residual * candidates).sum(axis=2)
        by_class = np.bincount(columns.ravel(), weights=residual.ravel(), minlength=width)
        away = fitted - neutral
        gradient = np.concatenate([by_item.sum(axis=1), by_item @ times, by_class]) + 2 * pull * away
        if not fits_all:
            gradient[count:] = 0
        return float(-likelihood + (pull * away**2).sum()), gradient

    bounds = [(0.0, 5.0)] * count + [(-1.0, 1.0)] * count + [(None, None)] * width
    return _split(np.asarray(minimize(loss, neutral, jac=True, method="L-BFGS-B", bounds=bounds).x), count)


def _split(fitted: npt.NDArray[np.float64], count: int) -> _Fitted:
    return _Fitted(fitted[:count], fitted[count : 2 * count], fitted[2 * count :])


def _candidates(branches: list[Probabilities], classes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return each item's most probable classes and the right one, (items, candidates); all, if they are few.

    The others' probabilities are so small that they hardly change a sum; with 5,000 categories they would take half
    a core-minute of each fit on 1,467 items.
    """
    width = branches[0].shape[1]
    if width <= _CANDIDATES:
        return np.broadcast_to(np.arange(width), (len(classes), width))
    mean = np.mean(branches, axis=0)
    mean[np.arange(len(classes)), classes] = np.inf
    return np.argpartition(-mean, _CANDIDATES, axis=1)[:, :_CANDIDATES]
