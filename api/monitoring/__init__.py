"""What operators and their tools ask: health, and the metrics of this process's requests and of the stores.

Every API process reports the same about the stores. To add metrics about them, register a collector in
`_stores_registry`.
"""

import logging
from typing import Annotated

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics, generate_latest
from redis import RedisError

from api.dependencies import Stores, service
from api.http.held_requests import HeldRequests
from api.http.notices import Notices
from api.monitoring.drift import DriftCollector
from api.monitoring.http import HttpMetrics
from api.monitoring.promise import PromiseCollector
from api.monitoring.queue import QueueCollector, RedisCollector, WakeupsCollector, WorkersCollector
from shared.drift import Drift

log = logging.getLogger(__name__)


def _stores_registry(stores: Stores) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(QueueCollector(stores.redis))
    registry.register(WorkersCollector(stores.redis))
    registry.register(RedisCollector(stores.redis, stores.settings.memory_share))
    registry.register(WakeupsCollector(stores.broker))
    registry.register(DriftCollector(Drift(stores.redis, stores.settings.keep_drift_days)))
    registry.register(PromiseCollector(stores.redis))
    return registry


StoresRegistryDep = Annotated[CollectorRegistry, service(_stores_registry)]


class ProcessMetrics:
    """Metrics of this process, available whether or not Redis answers."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the number of series
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.http = HttpMetrics(self._registry)
        self._redis_up = Gauge("catalog_redis_up", "1 if Redis answers, else 0.", registry=self._registry)
        self._waiting = Gauge(
            "catalog_waiting_callers",
            "Event streams and requests that wait for a job's end.",
            registry=self._registry,
        )
        self._notices_up = Gauge(
            "catalog_notices_up",
            "1 if Redis tells this process of changes at once, 0 if it only looks for them.",
            registry=self._registry,
        )

    def scrape(self, stores: CollectorRegistry | None, held: HeldRequests, notices: Notices) -> bytes:
        """The metrics in Prometheus's text format.

        Args:
            stores: `None` if Redis is known to be unreachable.
        """
        stores_text = b""
        if stores is not None:
            try:
                stores_text = generate_latest(stores)
            except RedisError as error:
                log.warning("cannot read the stores' metrics, because Redis cannot be reached: %s", error)
        self._redis_up.set(bool(stores_text))
        self._waiting.set(held.count)
        self._notices_up.set(notices.subscribed)
        return generate_latest(self._registry) + stores_text


__all__ = [
    "ProcessMetrics",
    "health",
    "http",
    "routes",
]
