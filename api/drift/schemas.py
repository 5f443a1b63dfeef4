"""Drift as clients see it."""

from datetime import date
from typing import Any

from pydantic import BaseModel, Field

from api.drift.assessment import MIN_ITEMS, DriftLevel
from shared.drift.profile import DriftFeature


class DistanceOut(BaseModel):
    feature: DriftFeature
    psi: float = Field(description="Population stability index against the validation split.")
    jensen_shannon: float = Field(description="The Jensen-Shannon distance, from 0 to 1.")
    threshold: float = Field(description="The PSI past which it is drift; higher where few items may differ by chance.")
    level: DriftLevel | None = Field(description=f"null below {MIN_ITEMS} items.")
    detail: str = Field(description="Where the two differ most.")


class EstimateOut(BaseModel):
    accuracy: float = Field(description="The mean confidence, which is calibrated: it needs no label.")
    standard_error: float = Field(description="By chance alone; labels show what miscalibration comes on top.")


class LabelledAccuracyOut(BaseModel):
    items: int = Field(description="Answers that people confirmed or corrected. They are no random sample.")
    accuracy: float = Field(description="The share of right ones among them.")
    standard_error: float
    estimated_accuracy: float = Field(description="What was estimated for the very same answers.")
    estimate_error: float = Field(description="How much too high that was.")


class PeriodOut(BaseModel):
    first: date
    last: date
    items: int
    estimate: EstimateOut | None = Field(description="null where nothing was answered.")
    labels: LabelledAccuracyOut | None = Field(description="null where there is none.")
    distances: list[DistanceOut] = Field(description="Empty for a bundle without a reference.")


class ReferenceOut(BaseModel):
    items: int
    accuracy: float = Field(description="The share of right answers to the validation split.")
    estimated_accuracy: float | None = Field(description="What the mean confidence says of the same answers.")


class AlertOut(BaseModel):
    bundle: str
    feature: str
    value: float
    threshold: float
    since: date = Field(description="The first day of those in a row that it has stood.")
    detail: str
    proposal: dict[str, Any] = Field(description="The body of a POST to /v1/trainings; nothing is started by itself.")


class BundleDriftOut(BaseModel):
    bundle: str = Field(description="What results carry as `bundle`.")
    reference: ReferenceOut | None = Field(description="null for a bundle that was trained before there was one.")
    week: PeriodOut = Field(description="The last seven days together.")
    days: list[PeriodOut] = Field(description="Those on which it answered, the oldest first.")


class DriftOut(BaseModel):
    today: date = Field(description="Days are UTC's.")
    alerts: list[AlertOut] = Field(description="What stands now, for the bundles in service.")
    bundles: list[BundleDriftOut] = Field(description="The one that answered last first.")
