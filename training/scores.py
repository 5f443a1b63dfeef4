"""The figures of a classifier: weighted and macro F1, accuracy, calibration error."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, f1_score

from shared.model.fusion import Probabilities

_BINS = 15


def score(probabilities: Probabilities, classes: npt.NDArray[np.int64]) -> dict[str, float]:
    """Figures over the rows on which the branch spoke (those that are not NaN)."""
    spoke = ~np.isnan(probabilities[:, 0])
    if not spoke.any():
        return {"items": 0.0}
    predicted, actual = probabilities[spoke].argmax(axis=1), classes[spoke]
    return {
        "weighted_f1": float(f1_score(actual, predicted, average="weighted", zero_division=0)),
        "macro_f1": float(f1_score(actual, predicted, average="macro", zero_division=0)),
        "accuracy": float(accuracy_score(actual, predicted)),
        "calibration_error": calibration_error(probabilities[spoke], actual),
        "items": float(spoke.sum()),
    }


def calibration_error(probabilities: Probabilities, classes: npt.NDArray[np.int64]) -> float:
    """Expected calibration error over 15 bins of equal width (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == classes
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [abs(correct[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(sum(gaps))
