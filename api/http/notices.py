"""Notices from Redis for callers that wait: one subscription of this process serves all of them.

A wait takes no thread and no connection to Redis. What is published is lost while the subscription is broken, and
processes of the release before publish nothing. So what is waited for is also looked at, all of it in one round trip:
when somebody begins to wait for it, when the subscription stands again, and every `LOOK_S`. While Redis is away,
callers wait on.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated

from fastapi.concurrency import run_in_threadpool
from redis import ConnectionError as RedisConnectionError
from redis import RedisError
from redis.asyncio import Redis as AsyncRedis

from api.dependencies import Stores, service
from shared.background import Background
from shared.ledger import CHANGES, ended_among, read_change
from shared.registry.state import ANSWERED, Models
from shared.stores.redis_check import explained

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""How often everything that is waited for is looked at."""
_SILENT_S = 5.0
"""After this time without a notice the server is asked whether it is there; after twice this time it counts as gone."""
_AGAIN_S = 0.5


class Awaited:
    """One thing that is waited for, by any number of callers."""

    def __init__(self) -> None:
        self.changes = 0
        """Number of notices so far."""
        self.callers = 0
        self._changed = asyncio.Event()
        self._over = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    async def over(self, seconds: float) -> bool:
        """Wait until it is over, or the time is; return whether it is over."""
        await _set_within(self._over, seconds)
        return self.is_over

    async def changed(self, since: int, seconds: float) -> None:
        """Wait until there are more than `since` notices, or the time is over."""
        if self.changes == since:
            await _set_within(self._changed, seconds)

    def notice(self, over: bool) -> None:
        """Wake those who wait."""
        self.changes += 1
        self._changed.set()
        self._changed = asyncio.Event()
        if over:
            self._over.set()


@dataclass(frozen=True)
class Topic:
    """A channel."""

    read: Callable[[bytes], tuple[str, bool]]
    """Returns what a message is about, and whether that is over."""
    over: Callable[[Sequence[str]], AbstractSet[str]]
    """Returns which of these are over; called in a thread."""
    awaited: dict[str, Awaited] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)
    """What has not been looked at since somebody began to wait for it."""

    def hear(self, message: bytes) -> None:
        about, over = self.read(message)
        if about in self.awaited:
            self.awaited[about].notice(over)

    async def look(self, *, everything: bool) -> None:
        """Look at what was not looked at yet, or at everything; raises `RedisError`."""
        chosen = [name for name in (self.awaited if everything else self.unseen) if not self.awaited[name].is_over]
        self.unseen.clear()
        if chosen:
            for name in await run_in_threadpool(self.over, chosen):
                if name in self.awaited:
                    self.awaited[name].notice(True)


class Notices:
    """Used by one event loop alone.

    Args:
        topics: By their channels.
    """

    def __init__(self, redis: AsyncRedis, topics: dict[str, Topic], background: Background) -> None:
        self._redis = redis
        self._background = background
        self._topics = topics
        self._asked = asyncio.Event()
        self._everything_at = 0.0
        self._trouble = False
        self.subscribed = False
        """Whether notices come as they are published; otherwise callers notice an end up to `LOOK_S` later."""

    @contextmanager
    def awaiting(self, channel: str, name: str) -> Iterator[Awaited]:
        """Wait for something while the context is open."""
        topic = self._topics[channel]
        awaited = topic.awaited.get(name)
        if awaited is None:
            awaited = topic.awaited[name] = Awaited()
            topic.unseen.add(name)  # it may be over since the caller has read it
            self._asked.set()
        awaited.callers += 1
        try:
            yield awaited
        finally:
            awaited.callers -= 1
            if not awaited.callers:
                del topic.awaited[name]
                topic.unseen.discard(name)

    async def listen(self) -> None:
        """Listen and look, until cancelled."""
        while not _is_cancelled():
            with self._background.turn():
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._listen())
                    both.create_task(self._look())
            await asyncio.sleep(_AGAIN_S)

    async def _listen(self) -> None:
        while not _is_cancelled():
            try:
                await self._hear()
            except (RedisError, OSError) as error:
                if not self._trouble:
                    log.warning("callers that wait are told up to %g s late: %s", LOOK_S, explained(error))
                self._trouble = True
            finally:
                self.subscribed = False
            await asyncio.sleep(_AGAIN_S)

    async def _hear(self) -> None:
        async with self._redis.pubsub() as subscription:
            await subscription.subscribe(*self._topics)
            confirmed, asked = 0, False
            while not _is_cancelled():
                message = await subscription.get_message(timeout=_SILENT_S)
                if message is None:
                    if asked:
                        raise RedisConnectionError(f"Redis was silent for {2 * _SILENT_S:g} s")
                    await subscription.ping()
                    asked = True
                    continue
                asked = False
                if message["type"] == "message":
                    self._topics[message["channel"].decode()].hear(message["data"])
                elif message["type"] == "subscribe":
                    confirmed += 1
                    if confirmed == len(self._topics):
                        self._begin()

    def _begin(self) -> None:
        """The subscription stands: what came to be over before may not have been told."""
        if self._trouble:
            log.info("callers that wait are told at once again")
        self._trouble = False
        self._background.goes_on()
        self.subscribed = True
        self._everything_at = 0.0
        self._asked.set()

    async def _look(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await _set_within(self._asked, max(0.0, self._everything_at - clock()))
            self._asked.clear()
            everything = clock() >= self._everything_at
            if everything:
                self._everything_at = clock() + LOOK_S
            for topic in self._topics.values():
                with suppress(RedisError):  # the next look is soon
                    await topic.look(everything=everything)


def _is_cancelled() -> bool:
    """Whether this task is to end: redis-py loses a cancellation that comes while it deals with a broken connection."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _notices(stores: Stores) -> Notices:
    topics = {
        CHANGES: Topic(read_change, lambda jobs: ended_among(stores.redis, jobs)),
        ANSWERED: Topic(lambda ticket: (ticket.decode(), True), Models(stores.redis).answered),
    }
    return Notices(stores.async_redis, topics, stores.background("listening for notices"))


NoticesDep = Annotated[Notices, service(_notices, run=Notices.listen)]
