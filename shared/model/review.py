"""The rule for answers that a person should review."""

from pydantic import BaseModel, ConfigDict

PLACES = 4
"""Decimals of a confidence, in results and in the threshold, so that the rule can be checked from a result."""


class Review(BaseModel):
    """The threshold chosen on the validation split, and its expected effect."""

    model_config = ConfigDict(frozen=True)

    threshold: float | None
    """The lowest confidence that is accepted without review; `None` if no confidence is precise enough."""
    precision: float
    """The required share of right answers among the accepted ones."""
    coverage: float
    """The share of all items that is accepted."""

    def needs_review(self, confidence: float) -> bool:
        """Whether a person should look at an answer of this confidence, rounded to `PLACES`."""
        return self.threshold is None or confidence < self.threshold
