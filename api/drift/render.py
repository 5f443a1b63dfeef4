"""Assessments and alerts as clients see them."""

from datetime import date

from api.drift.alerts import WEEK, Alert
from api.drift.assessment import Assessment, assess
from api.drift.schemas import (
    AlertOut,
    BundleDriftOut,
    DistanceOut,
    EstimateOut,
    LabelledAccuracyOut,
    PeriodOut,
    ReferenceOut,
)
from api.lifecycle.names import NameOf
from shared.drift.counters import BundleDrift, total

_PLACES = 4


def bundle_drift_out(drift: BundleDrift, first: date, today: date, name_of: NameOf) -> BundleDriftOut:
    reference = drift.reference
    return BundleDriftOut(
        bundle=drift.bundle,
        reference=reference
        and ReferenceOut(
            items=reference.profile.items,
            accuracy=_rounded(reference.accuracy),
            estimated_accuracy=None if reference.profile.confidence is None else _rounded(reference.profile.confidence),
        ),
        week=_period(assess(total(drift.days, today - WEEK, today), reference, name_of)),
        days=[_period(assess(day, reference, name_of)) for day in drift.days if day.first >= first],
    )


def _period(period: Assessment) -> PeriodOut:
    counts = period.counts
    return PeriodOut(
        first=counts.first,
        last=counts.last,
        items=counts.profile.items,
        estimate=_estimate(period),
        labels=_labels(period),
        distances=[
            DistanceOut(
                feature=distance.feature,
                psi=_rounded(distance.psi),
                jensen_shannon=_rounded(distance.jensen_shannon),
                threshold=_rounded(distance.threshold),
                level=distance.level,
                detail=distance.detail,
            )
            for distance in period.distances
        ],
    )


def _estimate(period: Assessment) -> EstimateOut | None:
    if period.estimated_accuracy is None or period.estimate_error is None:
        return None
    return EstimateOut(accuracy=_rounded(period.estimated_accuracy), standard_error=_rounded(period.estimate_error))


def _labels(period: Assessment) -> LabelledAccuracyOut | None:
    labels = period.counts.labels
    if labels.accuracy is None or labels.accuracy_error is None or labels.confidence is None:
        return None
    return LabelledAccuracyOut(
        items=labels.items,
        accuracy=_rounded(labels.accuracy),
        standard_error=_rounded(labels.accuracy_error),
        estimated_accuracy=_rounded(labels.confidence),
        estimate_error=_rounded(labels.confidence - labels.accuracy),
    )


def alert_out(alert: Alert) -> AlertOut:
    return AlertOut(
        bundle=alert.bundle,
        feature=alert.feature,
        value=_rounded(alert.value),
        threshold=_rounded(alert.threshold),
        since=alert.since,
        detail=alert.detail,
        proposal=alert.proposal,
    )


def _rounded(value: float) -> float:
    return round(value, _PLACES)
