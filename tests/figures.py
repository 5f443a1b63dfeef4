"""What a running process tells Prometheus."""

from collections.abc import Iterator

import httpx
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families


class Figures:
    """A scrape."""

    def __init__(self, text: str) -> None:
        self._families = list(text_string_to_metric_families(text))

    @classmethod
    def scraped(cls, url: str) -> "Figures":
        return cls(httpx.get(f"{url}/metrics", timeout=20).raise_for_status().text)

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of the samples with this name and these labels; 0 where there are none."""
        return sum(self.each(name, **labels))

    def each(self, name: str, **labels: str) -> Iterator[float]:
        return (
            sample.value
            for family in self._families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    @property
    def families(self) -> list[Metric]:
        return self._families

    @property
    def names(self) -> set[str]:
        """Names of all series."""
        return {sample.name for family in self._families for sample in family.samples}
