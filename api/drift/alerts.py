"""Alerts: drift that deserves a person's attention, and the training proposed then.

An alert only proposes a training: what is new in the catalogue needs labels before a training can learn it. Operators
who want trainings to start by themselves set a schedule, which is independent of alerts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import hypot
from typing import Any

from api.drift.assessment import Assessment, DriftLevel, assess
from api.lifecycle.names import NameOf
from shared.drift.counters import BundleDrift, total
from shared.drift.profile import DriftFeature

ACCURACY = "estimated_accuracy"
WEEK = timedelta(days=6)
"""From the first day of a week to its last."""

_DROP = 0.05
"""The smallest drop of the estimated accuracy that is an alert."""
_SIGMAS = 3
_PROPOSAL = {"promote": "manual"}
"""The body of a `POST /v1/trainings`: unchanged parameters, with the labels received since; a person looks at the
verdict before the new model serves."""


@dataclass(frozen=True)
class Alert:
    bundle: str
    feature: str
    """A `DriftFeature`, or `ACCURACY`."""
    value: float
    """The feature's PSI, or the estimated accuracy."""
    threshold: float
    """The limit that the PSI is above, or the estimated accuracy below."""
    since: date
    """The first of the consecutive days on which the alert stands."""
    detail: str
    proposal: dict[str, Any] = field(default_factory=_PROPOSAL.copy)


def alerts(drifts: Sequence[BundleDrift], today: date, name_of: NameOf = str) -> list[Alert]:
    """The alerts that stand for the bundles in service, which are those that answered on the latest day with answers.

    Only the last week counts. A bundle is judged by its latest day with enough items, or by the whole week if no day
    has enough.
    """
    answered = {drift.bundle: max((d.last for d in drift.days if d.profile.items), default=None) for drift in drifts}
    latest = max((day for day in answered.values() if day is not None), default=None)
    if latest is None or latest < today - WEEK:
        return []
    return [
        alert for drift in drifts if answered[drift.bundle] == latest for alert in _of_bundle(drift, today, name_of)
    ]


def _of_bundle(drift: BundleDrift, today: date, name_of: NameOf) -> list[Alert]:
    judged = [day for counts in drift.days if (day := assess(counts, drift.reference, name_of)).judged]
    if not judged or judged[-1].counts.last < today - WEEK:
        week = assess(total(drift.days, today - WEEK, today), drift.reference, name_of)
        judged = [week] if week.judged else []
    if not judged:
        return []
    values = ((feature, _value(feature, judged[-1], drift)) for feature in (*DriftFeature, ACCURACY))
    standing = {feature: value for feature, value in values if value is not None}
    return [
        Alert(drift.bundle, feature, value, threshold, since=_since(feature, judged, drift), detail=detail)
        for feature, (value, threshold, detail) in standing.items()
    ]


def _since(feature: str, judged: Sequence[Assessment], drift: BundleDrift) -> date:
    first = judged[-1]
    for day in reversed(judged):
        if _value(feature, day, drift) is None:
            break
        first = day
    return first.counts.first


def _value(feature: str, day: Assessment, drift: BundleDrift) -> tuple[float, float, str] | None:
    """Value, threshold and detail, if this is an alert."""
    if feature == ACCURACY:
        return _drop(day, drift)
    for distance in day.distances:
        if distance.feature == feature and distance.level is DriftLevel.DRIFT:
            return distance.psi, distance.threshold, distance.detail
    return None


def _drop(day: Assessment, drift: BundleDrift) -> tuple[float, float, str] | None:
    """Compare the estimate with that of the validation split, so that constant miscalibration is not an alert."""
    expected = drift.reference.profile if drift.reference else None
    if expected is None or expected.confidence is None or day.estimated_accuracy is None:
        return None
    chance = _SIGMAS * hypot(day.estimate_error or 0, expected.confidence_error or 0)
    threshold = expected.confidence - max(_DROP, chance)
    if day.estimated_accuracy >= threshold:
        return None
    detail = (
        f"{day.estimated_accuracy:.1%} of the answers are expected to be right, {expected.confidence:.1%} in validation"
    )
    return day.estimated_accuracy, threshold, detail
