"""What Prometheus scrapes: this process's own requests, and what the stores hold at the scrape.

Every API process tells the same of the stores. A further family of theirs is one more collector in `stores_registry`.
"""

import logging

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics, generate_latest
from redis import Redis, RedisError

from api.metrics.drift import DriftCollector
from api.metrics.http import HttpMetrics
from api.metrics.queue import QueueCollector, RedisCollector, WakeupsCollector, WorkersCollector
from shared.drift import Drift

__all__ = ["ProcessMetrics", "stores_registry"]

log = logging.getLogger(__name__)


def stores_registry(redis: "Redis", broker: "Redis", drift: Drift) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (QueueCollector(redis), WorkersCollector(redis), RedisCollector(redis), WakeupsCollector(broker)):
        registry.register(collector)
    registry.register(DriftCollector(drift))
    return registry


class ProcessMetrics:
    """Of this process; they are told whether or not Redis answers."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # when each series began: as many series again, which nobody asks for
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.http = HttpMetrics(self._registry)
        self._redis_up = Gauge("catalog_redis_up", "1 where Redis answers, else 0.", registry=self._registry)

    def scrape(self, stores: CollectorRegistry | None) -> bytes:
        """In Prometheus's text format; without the stores' part where Redis is away, as `None` says that it is."""
        told = b""
        if stores is not None:
            try:
                told = generate_latest(stores)
            except RedisError as error:
                log.warning("Redis cannot be reached for its figures: %s", error)
        self._redis_up.set(bool(told))
        return generate_latest(self._registry) + told
