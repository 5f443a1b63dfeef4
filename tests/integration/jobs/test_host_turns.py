"""Turns at the hosts of pictures: processes share their number, and none is lost for long."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_network

import pytest
from redis import Redis

from shared.network.fetching import Fetch
from shared.network.outbound import OutboundClient
from shared.settings import ROOT
from stack.processes import free_port
from tests.redis_state import turns_end
from tests.waiting import wait_for
from worker.classify.host_turns import HostTurns

SHOP = "shop.example"
_TAKE_ALL = """
import sys
from contextlib import ExitStack
from redis import Redis
from worker.classify.host_turns import HostTurns
port, at_once, hold_s, tries = sys.argv[1:]
turns = HostTurns(Redis(port=int(port)), int(at_once), float(hold_s))
with ExitStack() as held:
    taken = [held.enter_context(turn) for _ in range(int(tries)) if (turn := turns.take("shop.example"))]
    print(len(taken), flush=True)
    sys.stdin.read()
"""


@contextmanager
def _holder(redis_port: int, at_once: int, hold_s: float, tries: int) -> Iterator[subprocess.Popen[str]]:
    """A process that takes what it gets, and gives it back when its input ends."""
    arguments = map(str, (redis_port, at_once, hold_s, tries))
    with subprocess.Popen(
        [sys.executable, "-c", _TAKE_ALL, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def _taken(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_processes_share_the_turns_of_a_host(redis: Redis, redis_port: int) -> None:
    turns = HostTurns(redis, 5, 600)
    with ExitStack() as running:
        holders = [running.enter_context(_holder(redis_port, 5, 600, tries=4)) for _ in range(3)]
        assert sum(map(_taken, holders)) == 5
        assert turns.take(SHOP) is None
        assert turns.take("other.example") is not None
        for holder in holders:
            holder.communicate()
    with ExitStack() as held:
        for _ in range(5):
            turn = turns.take(SHOP)
            assert turn is not None, "all were given back"
            held.enter_context(turn)
        assert turns.take(SHOP) is None


def test_the_turn_of_a_process_that_was_killed_comes_back(redis: Redis, redis_port: int) -> None:
    with _holder(redis_port, 2, 2, tries=1) as holder:
        assert _taken(holder) == 1
        until = turns_end(redis)
        holder.kill()
    turns = HostTurns(redis, 2, 2)

    def both() -> bool:
        first = turns.take(SHOP)  # others go on meanwhile
        assert first is not None
        with first:
            return turns.take(SHOP) is not None

    wait_for("the turn has come back", both)
    seconds, microseconds = redis.time()
    assert seconds + microseconds / 1e6 >= until, "not before the request must be over"


def test_without_redis_everybody_has_a_turn(caplog: pytest.LogCaptureFixture) -> None:
    turns = HostTurns(Redis(port=free_port()), 1, 600)
    with ExitStack() as held:
        for _ in range(2):
            turn = turns.take(SHOP)
            assert turn is not None
            held.enter_context(turn)
    assert "nobody counts the requests to a host" in caplog.text


def test_a_fetch_that_waits_for_its_turn_loses_no_time(redis: Redis, picture_site: str) -> None:
    turns = HostTurns(redis, 1, 600)
    with OutboundClient([ip_network("127.0.0.0/8")]) as client:
        fetch = Fetch(client, [f"{picture_site}/there.jpg"], max_bytes=10**6, timeout_s=10, turns=turns)
        held = turns.take("127.0.0.1")
        assert held is not None
        with held:
            pauses = [fetch.go_on() for _ in range(1000)]
        assert all(isinstance(pause, float) and 0 < pause < 1 for pause in pauses)
        assert sum(pause for pause in pauses if isinstance(pause, float)) > 10
        got = fetch.go_on()
    assert isinstance(got, bytes)
    assert got.startswith(b"\xff\xd8")
