"""Metric families that are filled at the scrape; a sample is its label values and its value."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

PREFIX = "catalog_"

_Family = TypeVar("_Family", GaugeMetricFamily, CounterMetricFamily)

Samples = Iterable[tuple[Sequence[str], float | None]]
"""Samples without a value are left out."""


def gauge(name: str, what: str, labels: Sequence[str], samples: Samples) -> GaugeMetricFamily:
    return _filled(GaugeMetricFamily(PREFIX + name, what, labels=labels), samples)


def counter(name: str, what: str, labels: Sequence[str], samples: Samples) -> CounterMetricFamily:
    """A counter; Prometheus's text format appends `_total` to its name."""
    return _filled(CounterMetricFamily(PREFIX + name, what, labels=labels), samples)


def _filled(family: _Family, samples: Samples) -> _Family:
    for key, value in samples:
        if value is not None:
            family.add_metric(key, value)
    return family
