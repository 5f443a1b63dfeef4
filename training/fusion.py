"""Fit the fusion's weights and calibration, on the validation split alone."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from shared.model.fusion import Fusion, Probabilities, log, softmax

_BIAS_PENALTY = 0.02
_PRIOR_ITEMS = 2.0
"""How many items' worth of pull there is towards leaving the branches' probabilities as they are."""


def fit_fusion(text: Probabilities, image: Probabilities, classes: npt.NDArray[np.int64]) -> Fusion:
    """The weights with the least negative log-likelihood; (items, classes) twice, rows of NaN where a branch is silent.

    The likelihood is a proper score, so the fused probabilities come out calibrated as far as these few weights allow.
    Small pulls, of biases towards zero and of weights towards the branches as they are, keep small splits honest.
    """
    has_text, has_image = ~np.isnan(text[:, 0]), ~np.isnan(image[:, 0])
    both = has_text & has_image
    pooled = _fit([log(text[both]), log(image[both])], classes[both], with_bias=True)
    alone_text = _fit([log(text[has_text])], classes[has_text], with_bias=False)
    alone_image = _fit([log(image[has_image])], classes[has_image], with_bias=False)
    return Fusion(
        text=pooled[0],
        image=pooled[1],
        text_alone=alone_text[0],
        image_alone=alone_image[0],
        bias=tuple(pooled[2:].tolist()),
    )


def _fit(branches: list[Probabilities], classes: npt.NDArray[np.int64], *, with_bias: bool) -> npt.NDArray[np.float64]:
    """One weight per branch, then one bias per class (zeros where they are not asked for)."""
    width, count = branches[0].shape[1], len(branches)
    neutral = np.full(count, 1 / count)
    start = np.concatenate([neutral, np.zeros(width)])
    if not len(classes):  # nothing to learn from: leave the branches as they are
        return start
    targets = np.eye(width)[classes]
    pull = _PRIOR_ITEMS / len(classes)

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        scores = sum((w * branch for w, branch in zip(weights, branches, strict=False)), weights[count:])
        probabilities = softmax(np.asarray(scores, np.float64))
        likelihood = np.log(np.maximum(probabilities[targets.astype(bool)], 1e-12)).mean()
        residual = (probabilities - targets) / len(classes)
        away, bias = weights[:count] - neutral, weights[count:]
        slopes = np.array([(residual * branch).sum() for branch in branches]) + 2 * pull * away
        gradient = np.concatenate([slopes, residual.sum(axis=0) + 2 * _BIAS_PENALTY * bias])
        if not with_bias:
            gradient[count:] = 0
        penalty = pull * (away**2).sum() + _BIAS_PENALTY * (bias**2).sum()
        return float(-likelihood + penalty), gradient

    bounds = [(0.0, 5.0)] * count + [(None, None)] * width
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)
