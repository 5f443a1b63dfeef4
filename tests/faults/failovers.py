"""A service on a primary with a replica and sentinels, under load, whose primary is killed again and again.

`python -m tests.faults.failovers --minutes 10` counts what was lost or doubled; docs/reliability.md has the figures.
"""

import argparse
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import httpx

from stack.services import Stack
from tests.faults.conftest import client, stack_in
from tests.faults.work import freeze, texts, thaw
from tests.redis_servers import Sentinels, Server
from tests.redis_state import job_keys
from tests.waiting import finished, wait_for

ITEMS = 5
"""In each job."""
_PAUSE_S = 0.1


@contextmanager
def watched_service(folder: Path, confirm_replicas: int = 0) -> Iterator[tuple[Stack, Sentinels]]:
    """Start servers, sentinels and every process of the service."""
    with ExitStack() as running:
        group = running.enter_context(Sentinels(folder / "redis"))
        own = {"CATALOG_RATE_LIMIT": "1000000/minute", "CATALOG_CONFIRM_REPLICAS": str(confirm_replicas)}
        stack = stack_in(folder / "stack", {**sentinel_settings(group), **own})
        running.callback(stack.close)
        stack.start_service()
        yield stack, group


def sentinel_settings(group: Sentinels) -> dict[str, str]:
    return {"CATALOG_REDIS_URL": group.url(0), "CATALOG_BROKER_URL": group.url(1)}


@dataclass
class Load:
    """Clients that submit small jobs until the block ends, each with a key and as often as it takes."""

    stack: Stack
    clients: int = 4
    accepted: dict[str, float] = field(default_factory=dict)
    """Id of each accepted job, and when it was accepted."""
    refused: Counter[str] = field(default_factory=Counter)
    """Answers without a job, by status and kind."""

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._submit) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self) -> None:
        """Wait until more jobs have been accepted."""
        known = len(self.accepted)
        wait_for("jobs are accepted", lambda: len(self.accepted) > known + 10)

    def longest_pause_s(self) -> float:
        """The longest time without an accepted job."""
        times = sorted(self.accepted.values())
        return max((after - before for before, after in pairwise(times)), default=0.0)

    def _submit(self) -> None:
        with client(self.stack) as api:
            while not self._stop.wait(_PAUSE_S):
                headers = {"Idempotency-Key": secrets.token_hex(8)}
                while not self._is_accepted(api, headers) and not self._stop.wait(_PAUSE_S):
                    pass

    def _is_accepted(self, api: httpx.Client, headers: dict[str, str]) -> bool:
        answer = api.post("/v1/jobs", json={"items": texts(ITEMS)}, headers=headers)
        if answer.status_code == httpx.codes.ACCEPTED:
            self.accepted[answer.json()["id"]] = time.monotonic()
            return True
        self.refused[f"{answer.status_code} {answer.json()['type'].rpartition(':')[2]}"] += 1
        return False


@dataclass
class Verdict:
    """What became of the accepted jobs."""

    lost: list[str]
    doubled: list[str]
    """Jobs that no answer named, although each client repeated its request until it was accepted."""
    wrong: list[str]
    """Jobs with an item that has no outcome, or several, or another one than `succeeded`."""


def judged(stack: Stack, group: Sentinels, load: Load) -> Verdict:
    """Wait until each accepted job has ended, and look at its results."""
    verdict = Verdict([], [], [])
    with client(stack) as api, group.client(group.primary()) as redis:
        for job in load.accepted:
            if api.get(f"/v1/jobs/{job}").status_code == httpx.codes.NOT_FOUND:
                verdict.lost.append(job)
                continue
            ended = finished(api, f"/v1/jobs/{job}", timeout_s=120)
            results = api.get(f"/v1/jobs/{job}/results").raise_for_status().json()["results"]
            indexes = sorted(result["index"] for result in results if result["status"] == "succeeded")
            if ended["state"] != "completed" or indexes != list(range(ITEMS)):
                verdict.wrong.append(job)
        known = {key.decode().split(":")[2] for key in job_keys(redis)}
        verdict.doubled += known - load.accepted.keys()
    return verdict


def fail_over(group: Sentinels, *, lag_s: float = 0) -> tuple[Server, float]:
    """Kill the primary, whose replica gets nothing for the last `lag_s`.

    Returns:
        The server that was killed, and the seconds until the sentinels named the other one.
    """
    killed = group.primary()
    (replica,) = (server for server in group.servers if server is not killed)
    if lag_s:
        freeze(replica.process)
        time.sleep(lag_s)
    killed.process.kill()
    began = time.monotonic()
    if lag_s:
        thaw(replica.process)
    wait_for("the sentinels name the replica", lambda: group.primary() is replica, timeout_s=60)
    return killed, time.monotonic() - began


def main() -> None:
    """Print the figures of a long run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--confirm-replicas", type=int, default=0)
    parser.add_argument("--lag", type=float, default=0, help="Seconds for which the replica gets nothing before.")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        watched_service(Path(folder), chosen.confirm_replicas) as (stack, group),
    ):
        pids = {name: stack.process(name).pid for name in ("api", "worker", "housekeeper", "courier")}
        took: list[float] = []
        began = time.monotonic()
        with Load(stack) as load:
            while time.monotonic() < began + chosen.minutes * 60:
                next_kill = time.monotonic() + 60
                killed, seconds = fail_over(group, lag_s=chosen.lag)
                took.append(seconds)
                group.rejoined(killed, as_replica=True)
                _say(f"{len(took)}: {seconds:.1f} s, {len(load.accepted)} accepted")
                time.sleep(max(0.0, next_kill - time.monotonic()))
        verdict = judged(stack, group, load)
        alive = {name: stack.process(name).running for name in pids}
        _report(load, verdict, took, alive)


def _report(load: Load, verdict: Verdict, took: list[float], alive: dict[str, Any]) -> None:
    _say(f"failovers {len(took)}, slowest {max(took):.1f} s; processes alive: {alive}")
    _say(f"accepted {len(load.accepted)} jobs, longest pause {load.longest_pause_s():.1f} s")
    _say(f"refused and sent again: {dict(load.refused)}")
    _say(f"lost {len(verdict.lost)}, doubled {len(verdict.doubled)}, wrong {len(verdict.wrong)}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
