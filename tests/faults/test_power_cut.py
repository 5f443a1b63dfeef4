"""A power cut takes what Redis wrote last. The tests play the worker, so that they decide what is computed again."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from shared.ledger import Lease, Ledger
from shared.queues import Lane
from stack.services import Stack
from tests.faults.conftest import Service, client
from tests.faults.work import Job, submitted, texts
from tests.jobs import outcomes_of
from tests.redis_state import expire_leases
from tests.waiting import wait_for

CHUNK, CHUNKS = 256, 6


class Machine:
    """A service without a worker, whose Redis loses power."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        stack.start_redis()
        stack.start_api()
        self.redis = Redis(port=stack.ports.redis)
        self.ledger = Ledger(self.redis)
        self._kept = 0

    @property
    def _file(self) -> Path:
        (file,) = (self.stack.state / "redis").glob("appendonlydir/*.incr.aof")
        return file

    def lease(self) -> Lease:
        lease = self.ledger.lease(Lane.BULK)
        assert lease is not None
        return lease

    def commit(self, *leases: Lease) -> None:
        for lease in leases:
            self.ledger.commit(lease, "v1", outcomes_of(lease))

    def on_disk(self) -> None:
        """What was written until now will survive; what follows will not."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.set("a write of this connection", 1)
            pipe.waitaof(1, 0, 5000)
            assert pipe.execute()[1][0] == 1
        self._kept = self._file.stat().st_size

    def cut_power(self) -> None:
        """Lose what was not on disk, and start again; nobody has renewed a lease meanwhile."""
        self.stack.process("redis").kill()
        with self._file.open("r+b") as file:
            file.truncate(self._kept)
        self.stack.start_redis()
        expire_leases(self.redis)
        self.ledger.recover()


@pytest.fixture
def machine(parts: Service) -> Iterator[Machine]:
    machine = Machine(parts())
    yield machine
    machine.redis.close()


class Reader:
    """A client that reads page after page."""

    def __init__(self, api: httpx.Client, job: Job, limit: int) -> None:
        self._api, self._job, self._limit = api, job, limit
        self._cursor: str | None = None
        self.read: list[str] = []
        self.complete = False

    def page(self) -> int:
        """Read a page; return its length."""
        params = {"limit": self._limit} | ({"cursor": self._cursor} if self._cursor else {})
        page = self._api.get(self._job["results_url"], params=params).raise_for_status().json()
        self.read += [result["id"] for result in page["results"]]
        self._cursor, self.complete = page["next_cursor"], page["complete"]
        return len(page["results"])

    def all_there_is(self) -> None:
        while self.page():
            pass


@pytest.mark.parametrize("limit", [CHUNK, 100], ids=["whole chunks", "parts of chunks"])
def test_cursor_neither_skips_nor_repeats_what_is_computed_again(machine: Machine, limit: int) -> None:
    with client(machine.stack) as api:
        job = submitted(api, texts(CHUNK * CHUNKS))
        first, *rest = [machine.lease() for _ in range(CHUNKS - 2)]
        machine.commit(first)
        machine.on_disk()
        machine.commit(*rest)
        reader = Reader(api, job, limit)
        for _ in range(2 * CHUNK // 100):
            reader.page()
        assert len(reader.read) > CHUNK, "it has read what will be lost"
        machine.cut_power()
        again = [machine.lease() for _ in range(CHUNKS - 1)]
        for lease in reversed(again):  # chunks that the reader has not seen are committed where it has been
            machine.commit(lease)
            reader.all_there_is()
        assert reader.complete
        assert len(reader.read) == CHUNK * CHUNKS
        assert {*reader.read} == {str(index) for index in range(CHUNK * CHUNKS)}


def test_events_go_on_to_the_one_end(machine: Machine) -> None:
    with client(machine.stack) as api, ThreadPoolExecutor(1) as pool:
        job = submitted(api, texts(CHUNK * 2))
        machine.on_disk()
        machine.commit(machine.lease())
        events: list[dict[str, Any]] = []
        following = pool.submit(_follow, api, job, events)
        wait_for("the first chunk is told", lambda: _done(events) == [CHUNK])
        machine.cut_power()
        wait_for("its loss is told", lambda: _done(events) == [CHUNK, 0])
        machine.commit(machine.lease())
        wait_for("it is told again", lambda: _done(events) == [CHUNK, 0, CHUNK])
        machine.commit(machine.lease())
        assert following.result(timeout=60) == 1
        assert _done(events) == [CHUNK, 0, CHUNK, 2 * CHUNK]
        assert events[-1]["state"] == "completed"


def _follow(api: httpx.Client, job: Job, events: list[dict[str, Any]]) -> int:
    """Collect the events' data until the stream ends; return how many events were an end."""
    ends = 0
    with api.stream("GET", job["events_url"]) as stream:
        for line in stream.iter_lines():
            ends += line == "event: end"
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
    return ends


def _done(events: list[dict[str, Any]]) -> list[int]:
    """How many items have succeeded, at each change."""
    counts = [event["counts"]["succeeded"] for event in events]
    return [count for at, count in enumerate(counts) if not at or counts[at - 1] != count]
