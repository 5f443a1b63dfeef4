"""What Prometheus scrapes: read from the stores at each scrape, so that every API process tells the same.

A further family of metrics is one more collector in `registry`.
"""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.drift import ACCURACY, WEEK, Drift, alerts, assess, total
from shared.profile import Feature

_PREFIX = "catalog_"


def registry(drift: Drift) -> CollectorRegistry:
    collectors = CollectorRegistry()
    collectors.register(DriftCollector(drift))
    return collectors


class DriftCollector(Collector):
    """Of each model that answered within a week: today (UTC), and the last seven days together."""

    def __init__(self, drift: Drift) -> None:
        self._drift = drift

    def collect(self) -> Iterator[Metric]:
        today, kept = self._drift.today(), self._drift.read()
        starts = {"today": today, "7d": today - WEEK}
        models = [model for model in kept if total(model.days, today - WEEK, today).profile.items]
        periods = [
            ((model.model, window), assess(total(model.days, start, today), model.reference))
            for model in models
            for window, start in starts.items()
        ]
        distances = [((*key, found.feature), found) for key, period in periods for found in period.distances]
        standing = {(alert.model, alert.feature) for alert in alerts(kept, today)}
        features = [(model.model, feature) for model in models for feature in (*Feature, ACCURACY)]

        by_period, by_feature = ("model", "window"), ("model", "window", "feature")
        yield _gauge(
            "answered_items",
            "Items answered.",
            by_period,
            ((key, found.counts.profile.items) for key, found in periods),
        )
        yield _gauge(
            "drift_psi",
            "Population stability index against the model's validation split.",
            by_feature,
            ((key, found.psi) for key, found in distances),
        )
        yield _gauge(
            "drift_psi_threshold",
            "The index past which it is drift and not chance.",
            by_feature,
            ((key, found.threshold) for key, found in distances),
        )
        yield _gauge(
            "drift_alert",
            "1 where an alert stands, else 0.",
            ("model", "feature"),
            ((key, float(key in standing)) for key in features),
        )
        yield _gauge(
            "estimated_accuracy",
            "Share of right answers to be expected by the confidences.",
            by_period,
            ((key, found.estimated_accuracy) for key, found in periods),
        )
        yield _gauge(
            "estimated_accuracy_error",
            "Standard error of the estimate by chance alone.",
            by_period,
            ((key, found.estimate_error) for key, found in periods),
        )
        yield _gauge(
            "labelled_items",
            "Answers that people confirmed or corrected.",
            by_period,
            ((key, found.counts.labels.items) for key, found in periods),
        )
        yield _gauge(
            "labelled_accuracy",
            "Share of right answers among the confirmed or corrected ones, which are no random sample.",
            by_period,
            ((key, found.counts.labels.accuracy) for key, found in periods),
        )
        yield _gauge(
            "reference_accuracy",
            "Share of right answers on the model's validation split.",
            ("model",),
            (((model.model,), model.reference.accuracy) for model in models if model.reference),
        )


def _gauge(
    name: str, what: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], float | None]]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(_PREFIX + name, what, labels=labels)
    for key, value in samples:
        if value is not None:
            gauge.add_metric(key, value)
    return gauge
