"""Turns the model's probabilities into outcomes of items."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.drift.profile import Profile, Seen
from shared.ledger import Guess, ItemStatus, Outcome, QueuedItem
from shared.model.bundle import Manifest
from shared.model.fusion import Fusion, Prediction, Probabilities
from shared.model.review import PLACES

_GUESSES = 4


def to_outcomes(
    items: Sequence[QueuedItem], read: Sequence[tuple[int, float]], prediction: Prediction, manifest: Manifest
) -> list[Outcome]:
    """One per item, in order; `prediction` has a row per item.

    Args:
        read: Of each item's text, how many words it has and the share of unknown ones.
    """
    order = np.argsort(-prediction.fused, axis=1)[:, :_GUESSES]
    confidences = _rounded(np.take_along_axis(prediction.fused, order, axis=1))
    text, image = _best(prediction.text, manifest.labels), _best(prediction.image, manifest.labels)
    shares = _shares(manifest.fusion)
    outcomes = []
    rows = zip(items, read, order.tolist(), confidences, strict=True)
    for row, (item, (length, unknown), classes, confidence) in enumerate(rows):
        outcomes.append(
            Outcome(
                index=item.index,
                id=item.id,
                guesses=tuple(Guess(manifest.labels[label], p) for label, p in zip(classes, confidence, strict=True)),
                needs_review=manifest.review.needs_review(confidence[0]),
                text=text[row],
                image=image[row],
                weights=shares[text[row] is not None, image[row] is not None],
                words=length,
                unknown=unknown,
            )
        )
    return outcomes


def profile_of(outcomes: Sequence[Outcome]) -> Profile:
    """Return the profile of the outcomes that succeeded."""
    return Profile.of(
        Seen(best.code, best.confidence, outcome.words, outcome.unknown, outcome.image is not None)
        for outcome in outcomes
        if outcome.status is ItemStatus.SUCCEEDED
        for best in outcome.guesses[:1]
    )


def _best(probabilities: Probabilities, labels: Sequence[int]) -> list[Guess | None]:
    """Return the best guess of a branch for each item; `None` for rows of NaN."""
    answered = ~np.isnan(probabilities[:, 0])
    best = np.where(answered[:, np.newaxis], probabilities, 0.0)
    classes, confidences = best.argmax(axis=1).tolist(), _rounded(best.max(axis=1))
    return [
        Guess(labels[label], confidence) if present else None
        for present, label, confidence in zip(answered.tolist(), classes, confidences, strict=True)
    ]


def _shares(fusion: Fusion) -> dict[tuple[bool, bool], tuple[float, float]]:
    """Return the weights of text and image, by whether each is present; a branch without input has none."""
    total = fusion.text + fusion.image
    both = (round(fusion.text / total, PLACES), round(fusion.image / total, PLACES)) if total else (1.0, 1.0)
    return {(True, True): both, (True, False): (1.0, 0.0), (False, True): (0.0, 1.0)}


def _rounded(values: npt.NDArray[np.float32]) -> Any:
    return np.round(values.astype(np.float64), PLACES).tolist()
