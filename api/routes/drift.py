"""How the catalogue moves away from what each model was validated on."""

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.access import ObserveCaller
from api.dependencies import StoresDep
from shared.drift import MIN_ITEMS, WEEK, Alert, Assessment, Level, ModelDrift, alerts, assess, total
from shared.profile import Feature

router = APIRouter(prefix="/v1/drift", tags=["observation"])

_PLACES = 4


class DistanceOut(BaseModel):
    feature: Feature
    psi: float = Field(description="Population stability index against the validation split.")
    jensen_shannon: float = Field(description="The Jensen-Shannon distance, from 0 to 1.")
    threshold: float = Field(description="The PSI past which it is drift; higher where few items may differ by chance.")
    level: Level | None = Field(description=f"null below {MIN_ITEMS} items.")
    detail: str = Field(description="Where the two differ most.")


class EstimateOut(BaseModel):
    accuracy: float = Field(description="The mean confidence, which is calibrated: it needs no label.")
    standard_error: float = Field(description="By chance alone; labels show what miscalibration comes on top.")


class LabelsOut(BaseModel):
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
    labels: LabelsOut | None = Field(description="null where there is none.")
    distances: list[DistanceOut] = Field(description="Empty for a model without a reference.")


class ReferenceOut(BaseModel):
    items: int
    accuracy: float = Field(description="The share of right answers to the validation split.")
    estimated_accuracy: float | None = Field(description="What the mean confidence says of the same answers.")


class AlertOut(BaseModel):
    model: str
    feature: str
    value: float
    threshold: float
    since: date = Field(description="The first day of those in a row that it has stood.")
    detail: str
    proposal: dict[str, Any] = Field(description="The body of a POST to /v1/trainings; nothing is started by itself.")


class ModelDriftOut(BaseModel):
    model: str = Field(description="The bundle's version.")
    reference: ReferenceOut | None = Field(description="null for a bundle that was trained before there was one.")
    week: PeriodOut = Field(description="The last seven days together.")
    days: list[PeriodOut] = Field(description="Those on which it answered, the oldest first.")


class DriftOut(BaseModel):
    today: date = Field(description="Days are UTC's.")
    alerts: list[AlertOut] = Field(description="What stands now, for the models in service.")
    models: list[ModelDriftOut] = Field(description="The one that answered last first.")


@router.get("")
def drift(
    stores: StoresDep,
    _: ObserveCaller,
    days: Annotated[int, Query(ge=1, le=366, description="How many, today included.")] = 7,
    model: Annotated[str | None, Query(max_length=64, description="A bundle's version; all by default.")] = None,
) -> DriftOut:
    """Per model and day, how items and answers differ from the validation split's, and how many are likely to be right.

    All tenants together. An alert proposes a training; it starts none.
    """
    today, kept = stores.drift.today(), stores.drift.read()
    first = today - timedelta(days=days - 1)
    chosen = [found for found in kept if model in (None, found.model) and found.days[-1].last >= first]
    return DriftOut(
        today=today,
        alerts=[_alert(alert) for alert in alerts(kept, today) if model in (None, alert.model)],
        models=[_model(found, first, today) for found in chosen],
    )


def _model(drift: ModelDrift, first: date, today: date) -> ModelDriftOut:
    reference = drift.reference
    return ModelDriftOut(
        model=drift.model,
        reference=reference
        and ReferenceOut(
            items=reference.profile.items,
            accuracy=_rounded(reference.accuracy),
            estimated_accuracy=None if reference.profile.confidence is None else _rounded(reference.profile.confidence),
        ),
        week=_period(assess(total(drift.days, today - WEEK, today), reference)),
        days=[_period(assess(day, reference)) for day in drift.days if day.first >= first],
    )


def _period(found: Assessment) -> PeriodOut:
    counts = found.counts
    return PeriodOut(
        first=counts.first,
        last=counts.last,
        items=counts.profile.items,
        estimate=_estimate(found),
        labels=_labels(found),
        distances=[
            DistanceOut(
                feature=distance.feature,
                psi=_rounded(distance.psi),
                jensen_shannon=_rounded(distance.jensen_shannon),
                threshold=_rounded(distance.threshold),
                level=distance.level,
                detail=distance.detail,
            )
            for distance in found.distances
        ],
    )


def _estimate(found: Assessment) -> EstimateOut | None:
    if found.estimated_accuracy is None or found.estimate_error is None:
        return None
    return EstimateOut(accuracy=_rounded(found.estimated_accuracy), standard_error=_rounded(found.estimate_error))


def _labels(found: Assessment) -> LabelsOut | None:
    labels = found.counts.labels
    if labels.accuracy is None or labels.accuracy_error is None or labels.confidence is None:
        return None
    return LabelsOut(
        items=labels.items,
        accuracy=_rounded(labels.accuracy),
        standard_error=_rounded(labels.accuracy_error),
        estimated_accuracy=_rounded(labels.confidence),
        estimate_error=_rounded(labels.confidence - labels.accuracy),
    )


def _alert(alert: Alert) -> AlertOut:
    return AlertOut(
        model=alert.model,
        feature=alert.feature,
        value=_rounded(alert.value),
        threshold=_rounded(alert.threshold),
        since=alert.since,
        detail=alert.detail,
        proposal=alert.proposal,
    )


def _rounded(value: float) -> float:
    return round(value, _PLACES)
