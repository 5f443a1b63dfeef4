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
    threshold: float = Field(
        description="The PSI above which the difference is drift. It is higher for few items, which differ by chance."
    )
    level: DriftLevel | None = Field(description=f"null for fewer than {MIN_ITEMS} items.")
    detail: str = Field(description="A sentence that says where the two distributions differ most.")


class EstimateOut(BaseModel):
    accuracy: float = Field(description="The mean calibrated confidence, an estimate that needs no labels.")
    standard_error: float = Field(
        description="The error by chance alone. Only labels show whether the confidences are miscalibrated as well."
    )


class LabelledAccuracyOut(BaseModel):
    items: int = Field(description="How many answers people confirmed or corrected. These are not a random sample.")
    accuracy: float = Field(description="The share of right answers among these.")
    standard_error: float
    estimated_accuracy: float = Field(description="The estimate for the same answers.")
    estimate_error: float = Field(description="How much higher the estimate was than the accuracy.")


class PeriodOut(BaseModel):
    first: date
    last: date
    items: int
    estimate: EstimateOut | None = Field(description="null if nothing was answered.")
    labels: LabelledAccuracyOut | None = Field(description="null if no answer was labelled.")
    distances: list[DistanceOut] = Field(description="Empty for a bundle without a reference.")


class ReferenceOut(BaseModel):
    items: int
    accuracy: float = Field(description="The share of right answers on the validation split.")
    estimated_accuracy: float | None = Field(description="The mean confidence of the same answers.")


class AlertOut(BaseModel):
    bundle: str
    feature: str
    value: float
    threshold: float
    since: date = Field(description="The first of the consecutive days on which the alert was raised.")
    detail: str
    proposal: dict[str, Any] = Field(
        description="A body for `POST /v1/trainings`. The training is not started automatically."
    )


class BundleDriftOut(BaseModel):
    bundle: str = Field(description="The bundle's hash, which results have as `bundle`.")
    reference: ReferenceOut | None = Field(
        description="null for a bundle that was trained before bundles had a reference."
    )
    week: PeriodOut = Field(description="The last seven days together.")
    days: list[PeriodOut] = Field(description="The days on which the bundle answered, the oldest first.")


class DriftOut(BaseModel):
    today: date = Field(description="The current day. All days are in UTC.")
    alerts: list[AlertOut] = Field(description="Current alerts for the bundles in service.")
    bundles: list[BundleDriftOut] = Field(description="The bundles; the one that answered last comes first.")
