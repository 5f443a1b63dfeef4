"""Drift of each bundle's items and answers from those that it was validated on."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.drift.alerts import ACCURACY, WEEK, alerts
from api.drift.assessment import assess
from api.monitoring.families import gauge
from shared.drift import Drift, total
from shared.drift.profile import DriftFeature


class DriftCollector(Collector):
    """Metrics of each bundle that answered within a week: for today (UTC), and for the last seven days together."""

    def __init__(self, drift: Drift) -> None:
        self._drift = drift

    def collect(self) -> Iterator[Metric]:
        today, drifts = self._drift.today(), self._drift.read()
        starts = {"today": today, "7d": today - WEEK}
        shown = [drift for drift in drifts if total(drift.days, today - WEEK, today).profile.items]
        periods = [
            ((drift.bundle, window), assess(total(drift.days, start, today), drift.reference))
            for drift in shown
            for window, start in starts.items()
        ]
        distances = [((*key, distance.feature), distance) for key, period in periods for distance in period.distances]
        standing = {(alert.bundle, alert.feature) for alert in alerts(drifts, today)}
        features = [(drift.bundle, feature) for drift in shown for feature in (*DriftFeature, ACCURACY)]

        by_period, by_feature = ("bundle", "window"), ("bundle", "window", "feature")
        yield gauge(
            "answered_items",
            "Items answered.",
            by_period,
            ((key, period.counts.profile.items) for key, period in periods),
        )
        yield gauge(
            "drift_psi",
            "Population stability index against the bundle's validation split.",
            by_feature,
            ((key, distance.psi) for key, distance in distances),
        )
        yield gauge(
            "drift_psi_threshold",
            "The index above which this is drift and not chance.",
            by_feature,
            ((key, distance.threshold) for key, distance in distances),
        )
        yield gauge(
            "drift_alert",
            "1 if an alert stands, else 0.",
            ("bundle", "feature"),
            ((key, float(key in standing)) for key in features),
        )
        yield gauge(
            "estimated_accuracy",
            "Share of correct answers expected from the confidences.",
            by_period,
            ((key, period.estimated_accuracy) for key, period in periods),
        )
        yield gauge(
            "estimated_accuracy_error",
            "Standard error of the estimate by chance alone.",
            by_period,
            ((key, period.estimate_error) for key, period in periods),
        )
        yield gauge(
            "labelled_items",
            "Answers that people confirmed or corrected.",
            by_period,
            ((key, period.counts.labels.items) for key, period in periods),
        )
        yield gauge(
            "labelled_accuracy",
            "Share of correct answers among the confirmed or corrected ones, which are not a random sample.",
            by_period,
            ((key, period.counts.labels.accuracy) for key, period in periods),
        )
        yield gauge(
            "reference_accuracy",
            "Share of correct answers on the bundle's validation split.",
            ("bundle",),
            (((drift.bundle,), drift.reference.accuracy) for drift in shown if drift.reference),
        )
