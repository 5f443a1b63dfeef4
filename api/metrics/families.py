"""Metric families that are read at the scrape, each sample as its labels' values and its value."""

from collections.abc import Iterable, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

PREFIX = "catalog_"

Samples = Iterable[tuple[Sequence[str], float | None]]
"""What has no value is left out."""


def gauge(name: str, what: str, labels: Sequence[str], samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(PREFIX + name, what, labels=labels)
    for key, value in samples:
        if value is not None:
            family.add_metric(key, value)
    return family


def counter(name: str, what: str, labels: Sequence[str], samples: Samples) -> CounterMetricFamily:
    """Its name ends with `_total` once it is told."""
    family = CounterMetricFamily(PREFIX + name, what, labels=labels)
    for key, value in samples:
        if value is not None:
            family.add_metric(key, value)
    return family
