"""What routes are handed: the stores, opened once per process, and the services built on them.

Each subject declares its own services in the same way, next to the service's class.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, cast

from celery import Celery
from fastapi import Depends, Request
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from shared.background import Background
from shared.drift import Drift
from shared.ledger import (
    DecidedItems,
    ItemList,
    JobList,
    Ledger,
    Memory,
    Results,
    ReviewQueue,
    SentItems,
    Trainings,
)
from shared.queues import celery_app
from shared.settings import Settings
from shared.stores.blobs import Blobs
from shared.stores.opening import open_blobs, open_broker, open_redis, open_subscriber
from shared.stores.taxonomies import Taxonomies
from shared.stores.taxonomy_in_force import InForce, PublishedTaxonomies

T = TypeVar("T")


@dataclass(frozen=True)
class Stores:
    settings: Settings
    redis: Redis
    async_redis: AsyncRedis
    """For this process's subscription; whatever else is asked of Redis, a thread asks."""
    broker: Redis
    """Celery's; it may be the same server."""
    blobs: Blobs
    queue: Celery
    in_force: InForce
    """The taxonomy that categories are named by."""
    review: ReviewQueue
    """What people are to decide next; only one, because it keeps what it has read."""
    services: dict[Callable[["Stores"], object], object] = field(default_factory=dict)
    """By the function that built them; see `service`."""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    loops: list[Background] = field(default_factory=list)
    """What runs beside the requests of this process, as `background` named it."""

    def background(self, what: str) -> Background:
        """Make what keeps a loop of this process going; `/health` warns for as long as the loop's turns fail."""
        self.loops.append(loop := Background(what))
        return loop

    def start(self) -> None:
        """Begin what runs beside the requests."""
        self.tasks.extend(asyncio.create_task(run(self.services[build])) for build, run in _runners.items())

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for build, close in _closers.items():
            close(self.services[build])
        await self.async_redis.aclose()
        self.redis.close()


_builders: list[Callable[[Stores], object]] = []
_closers: dict[Callable[[Stores], object], Callable[[Any], None]] = {}
_runners: dict[Callable[[Stores], object], Callable[[Any], Coroutine[Any, Any, None]]] = {}


def open_stores(settings: Settings) -> Stores:
    """Open the stores and build every declared service, so that a wrong setting stops the server at its start."""
    redis = open_redis(settings)
    stores = Stores(
        settings=settings,
        redis=redis,
        async_redis=open_subscriber(settings),
        broker=open_broker(settings),
        blobs=open_blobs(settings),
        queue=celery_app(settings),
        in_force=InForce(Taxonomies(redis, settings.labels_url), PublishedTaxonomies(redis, settings.keep_drift_days)),
        review=ReviewQueue(redis),
    )
    stores.services.update({build: build(stores) for build in _builders})
    return stores


# The dependencies are coroutines, because FastAPI would run plain functions in a thread. Each event loop has anyio's 40
# threads: what runs in one computes, or asks Redis for milliseconds, and what waits for longer holds none.


async def _stores(request: Request) -> Stores:
    stores: Stores = request.app.state.stores
    return stores


StoresDep = Annotated[Stores, Depends(_stores)]


def service(
    build: Callable[[Stores], T],
    close: Callable[[T], None] | None = None,
    run: Callable[[T], Coroutine[Any, Any, None]] | None = None,
) -> Any:
    """Declare what `build` makes of the stores: it is built once, at the server's start, and handed to each request.

    Args:
        close: Called with it at the server's end.
        run: Awaited with it in a task, from the server's start until it is cancelled at the end.
    """
    _builders.append(build)
    if run is not None:
        _runners[build] = run
    if close is not None:
        _closers[build] = close

    async def provide(stores: StoresDep) -> T:
        return cast(T, stores.services[build])

    return Depends(provide)


SettingsDep = Annotated[Settings, service(lambda stores: stores.settings)]
RedisDep = Annotated[Redis, service(lambda stores: stores.redis)]
BlobsDep = Annotated[Blobs, service(lambda stores: stores.blobs)]
QueueDep = Annotated[Celery, service(lambda stores: stores.queue)]

InForceDep = Annotated[InForce, service(lambda stores: stores.in_force)]
LedgerDep = Annotated[Ledger, service(lambda stores: Ledger(stores.redis))]
ItemListDep = Annotated[ItemList, service(lambda stores: ItemList(stores.redis))]
DecidedItemsDep = Annotated[DecidedItems, service(lambda stores: DecidedItems(stores.redis))]
MemoryDep = Annotated[Memory, service(lambda stores: Memory(stores.redis))]
JobListDep = Annotated[JobList, service(lambda stores: JobList(stores.redis))]
ResultsDep = Annotated[Results, service(lambda stores: Results(stores.redis))]
SentItemsDep = Annotated[SentItems, service(lambda stores: SentItems(stores.redis))]
TrainingsDep = Annotated[Trainings, service(lambda stores: Trainings(stores.redis))]
DriftDep = Annotated[Drift, service(lambda stores: Drift(stores.redis, stores.settings.keep_drift_days))]
