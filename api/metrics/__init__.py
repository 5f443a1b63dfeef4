"""What Prometheus scrapes: this process's own requests, and what the stores hold at the scrape.

Every API process tells the same of the stores. A further family of theirs is one more collector in `_stores_registry`.
"""

import logging
from typing import Annotated

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics, generate_latest
from redis import RedisError

from api.dependencies import Stores, service
from api.metrics.drift import DriftCollector
from api.metrics.http import HttpMetrics
from api.metrics.queue import QueueCollector, RedisCollector, WakeupsCollector, WorkersCollector
from shared.drift import Drift

__all__ = ["ProcessMetrics", "StoresRegistryDep"]

log = logging.getLogger(__name__)


def _stores_registry(stores: Stores) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(QueueCollector(stores.redis))
    registry.register(WorkersCollector(stores.redis))
    registry.register(RedisCollector(stores.redis))
    registry.register(WakeupsCollector(stores.broker))
    registry.register(DriftCollector(Drift(stores.redis, stores.settings.keep_drift_days)))
    return registry


StoresRegistryDep = Annotated[CollectorRegistry, service(_stores_registry)]


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
