"""What callers wait for: who is woken by what, and what is looked at."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any

import pytest
from fastapi.sse import ServerSentEvent
from pydantic import BaseModel
from redis import RedisError
from redis.asyncio import Redis as AsyncRedis

from api.http.notices import Awaited, Notices, Topic
from api.http.server_sent_events import Streams, View
from shared.background import Background
from shared.ledger import CHANGES, read_change

SOON_S, NEVER_S = 0.01, 600


class Looks:
    """What is over, and the looks at it."""

    def __init__(self) -> None:
        self.over: set[str] = set()
        self.asked: list[set[str]] = []

    def __call__(self, names: Sequence[str]) -> set[str]:
        self.asked.append(set(names))
        return self.over & set(names)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def topic_and_notices(looks: Looks) -> tuple[Topic, Notices]:
    topic = Topic(read_change, looks)
    return topic, Notices(AsyncRedis(), {CHANGES: topic}, Background("listening"))


def test_a_change_wakes_those_who_follow_and_an_end_everybody() -> None:
    async def test() -> None:
        awaited = Awaited()
        follower, waiter = (
            asyncio.create_task(awaited.changed(0, NEVER_S)),
            asyncio.create_task(awaited.over(NEVER_S)),
        )
        await asyncio.sleep(0)
        awaited.notice(over=False)
        await follower
        assert not waiter.done()
        awaited.notice(over=True)
        assert await waiter
        await awaited.changed(0, NEVER_S)
        assert await awaited.over(NEVER_S), "it is over, for a caller that comes later"

    run(test)


def test_a_wait_ends_with_its_time() -> None:
    async def test() -> None:
        awaited = Awaited()
        assert not await awaited.over(SOON_S)
        await awaited.changed(0, SOON_S)

    run(test)


def test_a_message_wakes_those_who_wait_for_what_it_is_about() -> None:
    async def test() -> None:
        topic, notices = topic_and_notices(Looks())
        with notices.awaiting(CHANGES, "a") as a, notices.awaiting(CHANGES, "b") as b:
            for message in (b"a completed", b"b running", b"nobody's failed", b"b a state of another release"):
                topic.hear(message)
            assert (a.is_over, a.changes) == (True, 1)
            assert (b.is_over, b.changes) == (False, 2)

    run(test)


def test_what_is_new_is_looked_at_once_and_what_is_over_never_again() -> None:
    async def test() -> None:
        looks = Looks()
        topic, notices = topic_and_notices(looks)
        with notices.awaiting(CHANGES, "a") as a, notices.awaiting(CHANGES, "b") as b:
            await topic.look(everything=False)
            with notices.awaiting(CHANGES, "a"), notices.awaiting(CHANGES, "c"):
                await topic.look(everything=False)
                await topic.look(everything=False)
            looks.over = {"a"}
            await topic.look(everything=True)
            assert (a.is_over, b.is_over) == (True, False)
            await topic.look(everything=True)
        await topic.look(everything=True)
        assert looks.asked == [{"a", "b"}, {"c"}, {"a", "b"}, {"b"}]

    run(test)


def test_what_nobody_waits_for_any_more_is_forgotten() -> None:
    async def test() -> None:
        topic, notices = topic_and_notices(Looks())
        with notices.awaiting(CHANGES, "a") as first:
            with notices.awaiting(CHANGES, "a") as second:
                assert first is second
            assert list(topic.awaited) == ["a"]
        assert not topic.awaited
        assert not topic.unseen

    run(test)


class Shown(BaseModel):
    done: int


class Job:
    """A job that is read."""

    def __init__(self) -> None:
        self.done, self.reads = 0, 0
        self.trouble: Exception | None = None

    def view(self) -> View[int]:
        return View(self._read, self._moment, lambda done: ServerSentEvent(data=Shown(done=done), id=str(done)))

    def _read(self) -> int:
        self.reads += 1
        if self.trouble is not None:
            raise self.trouble
        return self.done

    def _moment(self, done: int) -> tuple[Hashable, bool]:
        return done, done == 2


def test_all_streams_of_a_job_share_its_readings() -> None:
    async def test() -> None:
        topic, notices = topic_and_notices(Looks())
        streams, job = Streams(), Job()
        followed = [streams.follow(notices, "a", job.view()) for _ in range(5)]
        firsts = [await anext(stream) for stream in followed]
        assert {(event.event, event.id, event.raw_data) for event in firsts} == {("progress", "0", '{"done":0}')}
        job.done = 2
        topic.hear(b"a completed")
        lasts = [await anext(stream) for stream in followed]
        assert {(event.event, event.raw_data) for event in lasts} == {("end", '{"done":2}')}
        assert job.reads == 2
        for stream in followed:
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
        await asyncio.sleep(0)
        assert not topic.awaited

    run(test)


def test_a_stream_outlives_a_store_that_is_away() -> None:
    async def test() -> None:
        topic, notices = topic_and_notices(Looks())
        job = Job()
        stream = Streams().follow(notices, "a", job.view())
        await anext(stream)
        job.trouble, reads = RedisError("away"), job.reads
        topic.hear(b"a running")
        while job.reads == reads:
            await asyncio.sleep(SOON_S)
        job.trouble, job.done = None, 2
        topic.hear(b"a completed")
        assert (await anext(stream)).event == "end"

    run(test)


def test_a_stream_fails_with_what_its_job_cannot_be_read_for() -> None:
    async def test() -> None:
        _, notices = topic_and_notices(Looks())
        job = Job()
        job.trouble = LookupError("gone")
        followed = [Streams().follow(notices, "a", job.view()) for _ in range(2)]
        for stream in followed:
            with pytest.raises(LookupError):
                await anext(stream)

    run(test)
