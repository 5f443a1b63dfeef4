"""The rule for answers that a person should review, and for how much of an answer's path is sure."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

PLACES = 4
"""Decimals of a confidence, in results and in the threshold, so that the rule can be checked from a result."""


class Review(BaseModel):
    """The thresholds chosen on the validation split, and the expected effect of the answer's own."""

    model_config = ConfigDict(frozen=True)

    threshold: float | None
    """The lowest confidence that is accepted without review; `None` if no confidence is precise enough."""
    precision: float
    """The required share of right answers among the accepted ones."""
    coverage: float
    """The share of all items that is accepted."""
    levels: tuple[float | None, ...] = Field((), exclude_if=lambda levels: not levels)
    """For the categories above an answer, from the root: the lowest confidence from which they are as precise.

    `None` where no confidence is precise enough. Without a tree, and in bundles from before it, there are none; they
    are left out of the manifest then, whose hash names the bundle.
    """

    def needs_review(self, confidence: float) -> bool:
        """Whether a person should look at an answer of this confidence, rounded to `PLACES`."""
        return self.threshold is None or confidence < self.threshold

    def sure(self, above: Sequence[float], confidence: float) -> int:
        """Return how many categories of an answer's path are sure, from the root, with the answer as the last one.

        A category is sure if it reaches its level's threshold, or one below it does. All confidences are rounded to
        `PLACES`.

        Args:
            above: The confidences of the categories above the answer, from the root.
            confidence: The answer's own.
        """
        if not self.needs_review(confidence):
            return len(above) + 1
        reached = (
            depth
            for depth, (share, threshold) in enumerate(zip(above, self.levels, strict=False), 1)
            if threshold is not None and share >= threshold
        )
        return max(reached, default=0)
