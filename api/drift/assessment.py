"""Compares a period's counts with the bundle's reference."""

from dataclasses import dataclass
from enum import StrEnum

from api.drift.distances import jensen_shannon, largest_part, psi, psi_by_chance
from api.lifecycle.names import NameOf
from shared.drift.counters import DayCounts
from shared.drift.profile import DriftFeature, Profile, Reference

MODERATE, DRIFT = 0.1, 0.2
"""The usual rule for the population stability index: below 0.1 little has changed, from 0.2 on much has (E. Lewis, "An
Introduction to Credit Scoring", 1994; N. Siddiqi, "Credit Risk Scorecards", 2006, has 0.25)."""
MIN_ITEMS = 100
"""With fewer items a period is not judged."""


class DriftLevel(StrEnum):
    STABLE = "stable"
    MODERATE = "moderate"
    DRIFT = "drift"


@dataclass(frozen=True)
class Distance:
    """The distance of a feature's histogram from the reference's."""

    feature: DriftFeature
    psi: float
    jensen_shannon: float
    threshold: float
    """The PSI above which this is drift: `DRIFT`, or what chance alone may cause with this few items, if greater."""
    level: DriftLevel | None
    """`None` if there are too few items."""
    detail: str
    """Where the two differ most; human-readable."""


@dataclass(frozen=True)
class Assessment:
    """The counts of one period of one bundle, and how they differ from its reference."""

    counts: DayCounts
    distances: tuple[Distance, ...]
    """One for each feature that both have; empty without a reference."""
    estimated_accuracy: float | None
    """The mean confidence: of calibrated confidences it is the share of right answers that is to be expected, without a
    label (confidence-based performance estimation, CBPE, as NannyML has it). It holds while they stay calibrated: it
    sees items that have become harder, not types that have changed their meaning."""
    estimate_error: float | None
    """The estimate's standard error by chance alone; miscalibration adds to it, and only labels show how much."""

    @property
    def judged(self) -> bool:
        return self.counts.profile.items >= MIN_ITEMS


def assess(counts: DayCounts, reference: Reference | None, name_of: NameOf = str) -> Assessment:
    """Compare a period with the reference; `name_of` gives the names of categories that details name."""
    profile = counts.profile
    return Assessment(
        counts=counts,
        distances=_distances(profile, reference.profile, name_of) if reference else (),
        estimated_accuracy=profile.confidence,
        estimate_error=profile.confidence_error,
    )


def _distances(profile: Profile, reference: Profile, name_of: NameOf) -> tuple[Distance, ...]:
    found = (_distance(feature, profile.histograms(feature, reference), name_of) for feature in DriftFeature)
    return tuple(distance for distance in found if distance is not None)


def _distance(feature: DriftFeature, bins: list[tuple[str, int, int]], name_of: NameOf) -> Distance | None:
    """The distance between the bins' counts here and in the reference; `None` if one side has no item."""
    names, counts, reference = zip(*bins, strict=True)
    if not sum(counts) or not sum(reference):
        return None
    value, chance = psi(counts, reference), psi_by_chance(counts, reference)
    threshold = max(DRIFT, chance)
    level = _level(value, threshold, max(MODERATE, chance)) if sum(counts) >= MIN_ITEMS else None
    most = largest_part(counts, reference)
    here, there = counts[most] / sum(counts), reference[most] / sum(reference)
    name = name_of(names[most]) if feature is DriftFeature.TYPE else names[most]
    detail = f"{feature.replace('_', ' ')} {name!r}: {here:.1%} of the items, {there:.1%} in validation"
    return Distance(feature, value, jensen_shannon(counts, reference), threshold, level, detail)


def _level(value: float, drift: float, moderate: float) -> DriftLevel:
    if value > drift:
        return DriftLevel.DRIFT
    return DriftLevel.MODERATE if value > moderate else DriftLevel.STABLE
