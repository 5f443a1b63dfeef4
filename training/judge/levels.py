"""How good answers are on each level of the taxonomy's tree: thresholds, shares that are sure, hierarchical F1."""

import numpy as np

from shared.model.fusion import Probabilities
from shared.model.levels import Levels
from shared.model.review import PLACES, Review
from training.judge.review import Confidence, Correct, choose_threshold
from training.judge.scores import Classes


def judged_above(probabilities: Probabilities, classes: Classes, levels: Levels) -> tuple[Confidence, Correct]:
    """Return confidence and correctness of the categories above each item's answer, both of shape (items, depth).

    The confidence is rounded as in a result, and NaN where nothing is above the answer on that level, or there is no
    answer. A category is right if the item belongs below it.
    """
    answered = ~np.isnan(probabilities[:, 0])
    confidence = np.full((len(classes), levels.depth), np.nan)
    best = probabilities[answered].argmax(axis=1)
    confidence[answered] = levels.sums(probabilities[answered], best).round(PLACES)
    correct = np.zeros(confidence.shape, bool)
    correct[answered] = (levels.above[best] == levels.above[classes[answered]]) & (levels.above[best] >= 0)
    return confidence, correct


def choose_levels(
    probabilities: Probabilities, classes: Classes, levels: Levels, precision: float
) -> tuple[float | None, ...]:
    """Return the lowest threshold of each level above the answers that is precise enough, from the root.

    Whether a level is right is judged by itself: its threshold does not depend on those of the others.
    """
    confidence, correct = judged_above(probabilities, classes, levels)
    return tuple(
        choose_threshold(confidence[:, depth], correct[:, depth], precision).threshold for depth in range(levels.depth)
    )


def level_figures(review: Review, probabilities: Probabilities, classes: Classes, levels: Levels) -> dict[str, float]:
    """Return, for each level from the root, the share of the items that is sure there, and how many of them rightly.

    `level_1_coverage` and `level_1_precision` are of the categories at the root, and so on to the deepest level above
    an answer. Where an answer lies higher than a level, it counts there itself. There is no precision where nothing is
    sure.
    """
    answered = ~np.isnan(probabilities[:, 0])
    best = probabilities.argmax(axis=1)
    own = probabilities.max(axis=1).astype(np.float64).round(PLACES)
    above, right_above = judged_above(probabilities, classes, levels)
    lengths = (levels.above[best] >= 0).sum(axis=1)
    sure = np.array(
        [
            review.sure(above[row, : lengths[row]].tolist(), own[row]) if answered[row] else 0
            for row in range(len(classes))
        ],
        np.int64,
    )
    figures: dict[str, float] = {}
    for level in range(1, levels.depth + 1):
        is_sure = answered & (sure >= np.minimum(level, lengths + 1))
        right = np.where(lengths >= level, right_above[:, level - 1], best == classes)
        figures[f"level_{level}_coverage"] = float(is_sure.mean()) if len(classes) else 0.0
        if is_sure.any():
            figures[f"level_{level}_precision"] = float(right[is_sure].mean())
    return figures


def tree_figures(probabilities: Probabilities, classes: Classes, levels: Levels) -> dict[str, float]:
    """Return `hierarchical_f1`; nothing without a tree, where it is the accuracy, or without an answer."""
    if not levels.depth or np.isnan(probabilities[:, 0]).all():
        return {}
    return {"hierarchical_f1": hierarchical_f1(probabilities, classes, levels)}


def hierarchical_f1(probabilities: Probabilities, classes: Classes, levels: Levels) -> float:
    """Return the hierarchical F1 over the rows that are not NaN; 0 if there are none.

    Each answer counts as the set of itself and all that is above it, and so does each label; precision and recall are
    the shares of what both have, over the sets of all items together (Kiritchenko et al. 2005, recommended by Silla and
    Freitas 2011, "A survey of hierarchical classification across different application domains"). Without a tree this
    is the accuracy.
    """
    answered = ~np.isnan(probabilities[:, 0])
    predicted, actual = probabilities[answered].argmax(axis=1), classes[answered]
    ours, theirs = levels.above[predicted], levels.above[actual]
    common = int((predicted == actual).sum() + ((ours == theirs) & (ours >= 0)).sum())
    total = 2 * len(predicted) + int((ours >= 0).sum() + (theirs >= 0).sum())
    return 2 * common / total if total else 0.0
