"""What the cascade costs and saves on some items."""

from shared.model.cascade import Mask
from shared.model.fusion import Probabilities
from training.judge.scores import score
from training.pipeline.prepared import Items


def cascade_figures(always: Probabilities, skipped: Mask, items: Items) -> dict[str, float]:
    """Return the share of the pictures beside a text that are not looked at, and the weighted F1 if all were.

    Args:
        always: The fused answers with every picture looked at, (items, classes).
        skipped: Whose picture is not looked at, (items,).
    """
    both = items.has_text & items.has_image
    figures = {"pictures_not_looked_at": float(skipped[both].mean()) if both.any() else 0.0}
    found = score(always, items.classes)
    if "weighted_f1" in found:  # somebody answered
        figures["always_weighted_f1"] = found["weighted_f1"]
    return figures
