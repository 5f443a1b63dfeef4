"""Which answers need a person's look."""

from pydantic import BaseModel, ConfigDict

PLACES = 4
"""Decimals of a confidence, in results as in the threshold, so that whoever reads a result can check the rule."""


class Review(BaseModel):
    """The threshold that was chosen on the validation split, and what it promises."""

    model_config = ConfigDict(frozen=True)

    threshold: float | None
    """The lowest confidence that is accepted without a look; `None` where no confidence is precise enough."""
    precision: float
    """The share of right answers among the accepted ones that was asked for."""
    coverage: float
    """The share of all items that is accepted."""

    def needs_review(self, confidence: float) -> bool:
        """Whether a person should look at an answer of this confidence, rounded to `PLACES`."""
        return self.threshold is None or confidence < self.threshold
