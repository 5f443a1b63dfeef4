"""What callers that wait cost one API process, and how soon the last of them has its answer.

Half of them wait (`?wait=`) and half follow events, from eight addresses, as behind no proxy. No worker runs: the
benchmark ends the job itself. Run it as

    .venv/bin/python -m benchmarks.waiters
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.harness import Options, Result, Table
from benchmarks.system import System, resident_bytes

_MOST_MB = 150
_ADDRESSES = 8
_PATIENCE_S = 280
_MANY = {
    "CATALOG_MAX_HELD_REQUESTS": "100000",
    "CATALOG_MAX_CONNECTIONS_PER_ADDRESS": "100000",
    "CATALOG_RATE_LIMIT": "10000000/minute",
}


@dataclass(frozen=True)
class Answers:
    """What the callers got."""

    statuses: Counter[int]
    last_at: float
    """When the last one had its answer, by the monotonic clock."""


async def _waits(http: httpx.AsyncClient, job: str) -> list[int]:
    """Wait until the job has ended, 30 s at a time; the statuses of all answers."""
    statuses = list[int]()
    while True:
        answer = await http.get(job, params={"wait": 30})
        statuses.append(answer.status_code)
        if answer.is_error or answer.json()["finished_at"]:
            return statuses


async def _follows(http: httpx.AsyncClient, job: str) -> list[int]:
    async with http.stream("GET", f"{job}/events") as stream:
        lines = [line async for line in stream.aiter_lines()]
    if stream.is_success and "event: end" not in lines:
        raise RuntimeError("a stream of events broke off")
    return [stream.status_code]


async def _ask(url: str, jobs: Sequence[str], callers: int) -> Answers:
    limits = httpx.Limits(max_connections=None)
    clients = [
        httpx.AsyncClient(
            base_url=url,
            timeout=_PATIENCE_S,
            trust_env=False,
            transport=httpx.AsyncHTTPTransport(limits=limits, local_address=f"127.0.0.{2 + number}"),
        )
        for number in range(_ADDRESSES)
    ]
    kinds = (_waits, _follows)
    asking = (kinds[number % 2](clients[number % _ADDRESSES], jobs[number % len(jobs)]) for number in range(callers))
    statuses = Counter(status for answers in await asyncio.gather(*asking) for status in answers)
    last_at = time.monotonic()
    for client in clients:
        await client.aclose()
    return Answers(statuses, last_at)


@dataclass(frozen=True)
class Measured:
    before: dict[str, int]
    """Memory of the process in bytes, and connections to Redis, before anybody waits."""
    waiting: dict[str, int]
    most: int
    """The most memory that the process has taken, in bytes."""
    answers: Answers
    seconds: float
    """From the end of the last job to the last answer."""


def measure(system: System, callers: int, jobs: int) -> Measured:
    """Let this many callers wait for this many jobs, and end these."""
    api = system.process("api")
    urls = [f"/v1/jobs/{system.submit([{'title': 'Lampe'}])}" for _ in range(jobs)]
    before = _state(system)
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(asyncio.run, _ask(system.url, urls, callers))
        while (held := _waiting(system)) < callers:
            if answers.done():
                answers.result()
                raise RuntimeError("callers got answers before the end")
            print(f"{held:,.0f} callers wait", flush=True)
            time.sleep(1)
        waiting = _state(system)
        for url in urls:
            system.ledger.cancel(url.rpartition("/")[2])
        ended = time.monotonic()
        done = answers.result()
    return Measured(before, waiting, resident_bytes(api, "VmHWM"), done, done.last_at - ended)


def _waiting(system: System) -> float:
    text = httpx.get(f"{system.url}/metrics", timeout=60).raise_for_status().text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("catalog_waiting_callers "))


def _state(system: System) -> dict[str, int]:
    clients: list[dict[str, Any]] = system.redis.client_list()
    return {
        "memory": resident_bytes(system.process("api")),
        "subscriptions": sum(int(client["sub"]) > 0 for client in clients),
        "blocked": sum("b" in client["flags"] for client in clients),
        "connections": len(clients),
    }


def main() -> None:
    parser = Options("waiters", __doc__)
    parser.add_amount("callers", 2000, 200)
    parser.add_amount("jobs", 100, 10, "that they wait for")
    chosen = parser.chosen()
    with TemporaryDirectory() as folder, System(Path(folder), 0, settings=_MANY) as system:
        measured = measure(system, chosen.callers, chosen.jobs)
    failed = sum(count for status, count in measured.answers.statuses.items() if status >= 500)
    refused = sum(count for status, count in measured.answers.statuses.items() if 400 <= status < 500)
    most_mb = measured.most / 10**6
    before, waiting = measured.before, measured.waiting
    rows: list[tuple[Any, ...]] = [
        ("memory of the API process", f"{before['memory'] / 10**6:.0f} MB", f"{most_mb:.0f} MB at most"),
        ("its subscriptions at Redis", before["subscriptions"], waiting["subscriptions"]),
        ("connections that Redis keeps waiting (the housekeeper's)", before["blocked"], waiting["blocked"]),
        ("all connections to Redis", before["connections"], waiting["connections"]),
    ]
    Result(
        name="waiters",
        title="Callers that wait at one API process",
        target=f"no 5xx, less than {_MOST_MB} MB",
        outcome=f"{failed} answers 5xx, {most_mb:.0f} MB",
        reached=not failed and not refused and most_mb < _MOST_MB,
        tables=[Table(("", "nobody waits", f"{chosen.callers:,} wait"), rows)],
        notes=[
            f"{chosen.callers:,} callers, half with `?wait=` and half with events, for {chosen.jobs} jobs",
            f"the last one had its answer {measured.seconds:.2f} s after the last job's end; the callers are one "
            "process on the same machine, which takes most of this time",
            f"answers by status: {dict(measured.answers.statuses)}",
        ],
        command=f"python -m benchmarks.waiters --callers {chosen.callers} --jobs {chosen.jobs}",
    ).save(chosen.output)
    print(rows, measured.answers.statuses, f"{measured.seconds:.2f} s")


if __name__ == "__main__":
    main()
