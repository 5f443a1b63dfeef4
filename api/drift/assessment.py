"""Compares a period's counts with the bundle's reference."""

from dataclasses import dataclass
from enum import StrEnum

from api.drift.distances import jensen_shannon, largest_part, psi, psi_by_chance
from shared.drift.counters import DayCounts
from shared.drift.profile import BINS, DriftFeature, Profile, Reference

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


def assess(counts: DayCounts, reference: Reference | None) -> Assessment:
    profile = counts.profile
    return Assessment(
        counts=counts,
        distances=_distances(profile, reference.profile) if reference else (),
        estimated_accuracy=profile.confidence,
        estimate_error=profile.confidence_error,
    )


def _distances(profile: Profile, reference: Profile) -> tuple[Distance, ...]:
    pairs = ((feature, profile.histogram(feature), reference.histogram(feature)) for feature in DriftFeature)
    return tuple(_distance(*pair) for pair in pairs if sum(pair[1]) and sum(pair[2]))


def _distance(feature: DriftFeature, counts: list[int], reference: list[int]) -> Distance:
    value, chance = psi(counts, reference), psi_by_chance(counts, reference)
    threshold = max(DRIFT, chance)
    level = _level(value, threshold, max(MODERATE, chance)) if sum(counts) >= MIN_ITEMS else None
    most = largest_part(counts, reference)
    here, there = counts[most] / sum(counts), reference[most] / sum(reference)
    detail = f"{feature.replace('_', ' ')} {BINS[feature][most]!r}: {here:.1%} of the items, {there:.1%} in validation"
    return Distance(feature, value, jensen_shannon(counts, reference), threshold, level, detail)


def _level(value: float, drift: float, moderate: float) -> DriftLevel:
    if value > drift:
        return DriftLevel.DRIFT
    return DriftLevel.MODERATE if value > moderate else DriftLevel.STABLE
