"""Turns the model's probabilities into outcomes of items."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.drift.profile import Profile, Seen
from shared.ledger import Guess, ItemStatus, Outcome, QueuedItem
from shared.model.bundle import Manifest
from shared.model.cascade import Mask
from shared.model.fusion import Fusion, Lengths, Prediction, Probabilities
from shared.model.projection import Projection
from shared.model.review import PLACES

_GUESSES = 4


def to_outcomes(
    items: Sequence[QueuedItem],
    read: Sequence[tuple[int, float]],
    prediction: Prediction,
    not_looked_at: Mask,
    projection: Projection,
    manifest: Manifest,
) -> list[Outcome]:
    """One per item, in order; `prediction` has a row per item.

    Args:
        read: Of each item's text, how many words it has and the share of unknown ones.
        not_looked_at: Which items have a picture that does not count in `prediction`.
        projection: What the taxonomy in force makes of the classes of `prediction`.
        manifest: The bundle's.
    """
    projected = projection.project(prediction)
    fused, codes, paths = projected.prediction.fused, projection.codes, projection.levels.paths
    order = _most_probable(fused, _GUESSES)
    confidences = _rounded(np.take_along_axis(fused, order, axis=1))
    above = _rounded(projection.levels.sums(fused, order[:, 0]))
    text, image = _best(projected.prediction.text, codes), _best(projected.prediction.image, codes)
    shares = _shares(manifest.fusion, np.array([length for length, _ in read], np.int64))
    outcomes = []
    flags = projected.doubtful.tolist(), not_looked_at.tolist()
    rows = zip(items, read, order.tolist(), confidences, above, *flags, strict=True)
    for row, (item, (length, unknown), columns, confidence, of_path, doubtful, skipped) in enumerate(rows):
        path = tuple(map(Guess, paths[columns[0]], of_path))
        outcomes.append(
            Outcome(
                index=item.index,
                id=item.id,
                guesses=tuple(Guess(codes[column], p) for column, p in zip(columns, confidence, strict=True)),
                needs_review=doubtful or manifest.review.needs_review(confidence[0]),
                path=path,
                sure=0 if doubtful else manifest.review.sure(of_path[: len(path)], confidence[0]),
                text=text[row],
                image=image[row],
                not_looked_at=skipped,
                weights=shares[row] if text[row] and image[row] else (1.0, 0.0) if text[row] else (0.0, 1.0),
                words=length,
                unknown=unknown,
                doubtful=doubtful,
            )
        )
    return outcomes


def profile_of(outcomes: Sequence[Outcome], *, decided: bool) -> Profile:
    """Return the profile of what the model answered.

    Args:
        decided: Whether the model decided which pictures to look at.
    """

    def seen(outcome: Outcome, best: Guess) -> Seen:
        picture = outcome.image is not None or outcome.not_looked_at
        looked_at = not outcome.not_looked_at if picture and decided else None
        return Seen(best.code, best.confidence, outcome.words, outcome.unknown, picture, looked_at)

    return Profile.of(
        seen(outcome, best)
        for outcome in outcomes
        if outcome.status is ItemStatus.SUCCEEDED and (outcome.remembered is None or outcome.near_copy)
        for best in outcome.guesses[:1]
    )


def _most_probable(probabilities: Probabilities, most: int) -> npt.NDArray[np.int64]:
    """Return the columns of the `most` greatest probabilities of each row, or all of fewer, the greatest first.

    Of equal ones the first comes first. To sort thousands of categories takes thirty times as long.
    """
    rest, rows, found = probabilities.copy(), np.arange(len(probabilities)), []
    for _ in range(min(most, probabilities.shape[1])):
        found.append(rest.argmax(axis=1))
        rest[rows, found[-1]] = -1
    return np.stack(found, axis=1)


def _best(probabilities: Probabilities, codes: Sequence[str]) -> list[Guess | None]:
    """Return the best guess of a branch for each item; `None` for rows of NaN."""
    found: list[Guess | None] = [None] * len(probabilities)
    answered = np.flatnonzero(~np.isnan(probabilities[:, 0]))
    classes = probabilities.argmax(axis=1)[answered] if len(answered) else answered
    confidences = _rounded(probabilities[answered, classes])
    for row, label, confidence in zip(answered.tolist(), classes.tolist(), confidences, strict=True):
        found[row] = Guess(codes[label], confidence)
    return found


def _shares(fusion: Fusion, lengths: Lengths) -> list[tuple[float, float]]:
    """Return the shares of text and image in the answer to each item that has both."""
    weights = fusion.weights(lengths).astype(np.float64)
    totals = weights.sum(axis=1, keepdims=True)
    return [(text, image) for text, image in _rounded(np.where(totals > 0, weights / np.maximum(totals, 1e-9), 1.0))]


def _rounded(values: npt.NDArray[np.floating]) -> Any:
    return np.round(values.astype(np.float64), PLACES).tolist()
