"""The figures of a classifier: weighted and macro F1, accuracy, calibration, coverage, and figures per class."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.metrics import accuracy_score, f1_score

from shared.model.fusion import Probabilities
from training.pipeline.categories import Categories

_BINS = 15
_PLACES = 4

Classes = npt.NDArray[np.int64]
Metrics = dict[str, dict[str, float]]
"""Figures by name, per branch."""


def score(probabilities: Probabilities, classes: Classes) -> dict[str, float]:
    """Return the figures over the rows that the branch answered (those that are not NaN)."""
    answered = ~np.isnan(probabilities[:, 0])
    if not answered.any():
        return {"items": 0.0}
    predicted, actual = probabilities[answered].argmax(axis=1), classes[answered]
    return {
        "weighted_f1": float(f1_score(actual, predicted, average="weighted", zero_division=0)),
        "macro_f1": float(f1_score(actual, predicted, average="macro", zero_division=0)),
        "accuracy": float(accuracy_score(actual, predicted)),
        "calibration_error": calibration_error(probabilities[answered], actual),
        "items": float(answered.sum()),
    }


def calibration_error(probabilities: Probabilities, classes: Classes) -> float:
    """Return the expected calibration error over 15 bins of equal width (Guo et al. 2017); rows of NaN do not count."""
    bins = reliability(probabilities, classes)
    gaps = (bins["accuracy"] - bins["confidence"]).abs()
    return float(np.average(gaps, weights=bins["count"]))


def reliability(probabilities: Probabilities, classes: Classes) -> pd.DataFrame:
    """Return low, high, confidence, accuracy and count of each bin of `calibration_error` that holds an item.

    Confidence is the bin's mean, accuracy its share of right answers, count its number of items; rows of NaN are in no
    bin.
    """
    answered = ~np.isnan(probabilities[:, 0])
    probabilities, classes = probabilities[answered], classes[answered]
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == classes
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    items = pd.DataFrame({"bin": bins, "confidence": confidence, "correct": correct})
    table = items.groupby("bin", as_index=False).agg(
        confidence=("confidence", "mean"), accuracy=("correct", "mean"), count=("correct", "size")
    )
    number = table.pop("bin")
    table.insert(0, "low", (number / _BINS).round(_PLACES))
    table.insert(1, "high", ((number + 1) / _BINS).round(_PLACES))
    return table


def coverage_curve(confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return threshold, coverage and precision, a row per distinct confidence, the highest first.

    Coverage is the share of all items whose confidence is at least the threshold, precision the share of right answers
    among these. Items of equal confidence are accepted together. An item of confidence NaN is never accepted, and
    counts in the coverage. Both arguments are of shape (items,).
    """
    answered = np.flatnonzero(~np.isnan(confidence))
    order = answered[np.argsort(-confidence[answered], kind="stable")]
    thresholds, accepted = confidence[order], np.arange(1, len(order) + 1)
    last = np.append(thresholds[1:] != thresholds[:-1], True)[: len(order)]
    return pd.DataFrame(
        {
            "threshold": thresholds[last],
            "coverage": accepted[last] / max(len(confidence), 1),
            "precision": correct[order].cumsum()[last] / accepted[last],
        }
    )


def confusion(probabilities: Probabilities, classes: Classes) -> csr_matrix:
    """Return counts of shape (actual classes, predicted classes), over the rows that are not NaN.

    They are sparse: of 5,000 times 5,000 pairs hardly any occurs.
    """
    answered = ~np.isnan(probabilities[:, 0])
    pairs = classes[answered], probabilities[answered].argmax(axis=1)
    width = probabilities.shape[1]
    return csr_matrix((np.ones(len(pairs[0]), np.int64), pairs), shape=(width, width))


def per_class(counts: csr_matrix, categories: Categories) -> pd.DataFrame:
    """Return a row per category from the counts of `confusion`; a share of nothing is zero.

    The columns are code, name, precision, recall, f1, support, and the category that items were most often
    taken for: confused_with (a code, missing if all were right), confused_with_name, confused_items.
    """
    right, support, predicted = counts.diagonal(), _sums(counts, axis=1), _sums(counts, axis=0)
    pairs = counts.tocoo()
    wrong = pd.DataFrame({"actual": pairs.row, "other": pairs.col, "items": pairs.data})
    wrong = wrong[(wrong["actual"] != wrong["other"]) & (wrong["items"] > 0)]
    most = wrong.sort_values(["items", "other"], ascending=[False, True]).drop_duplicates("actual").set_index("actual")
    most = most.reindex(range(len(categories)))
    codes = pd.Series(categories.codes, dtype="str")
    other = most["other"].astype("Int64")
    return pd.DataFrame(
        {
            "code": codes,
            "name": categories.names,
            "precision": _share(right, predicted),
            "recall": _share(right, support),
            "f1": _share(2 * right, predicted + support),
            "support": support,
            "confused_with": other.map(codes),
            "confused_with_name": other.map(pd.Series(categories.names, dtype="str")),
            "confused_items": most["items"].fillna(0).astype(np.int64),
        }
    )


def _sums(counts: csr_matrix, axis: int) -> npt.NDArray[np.int64]:
    return np.asarray(counts.sum(axis=axis)).ravel()


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return (part / np.maximum(whole, 1)).round(_PLACES)
