"""The ledger and the queue alone: items per second of two workers that compute nothing.

A job of titles is accepted first; the time runs from its first lease to its last commit. So it is leases, texts to ids,
the micro-batcher, the fusion, outcomes, commits and wake-ups that are measured, and nothing of the API but the status
of the job. Run it as

    .venv/bin/python -m benchmarks.queue --titles CSV
"""

import statistics
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import Options, Result, Table
from benchmarks.system import System, add_titles, cpu_s, titles, titles_as_typed

_WORKERS = 2
_TARGET, _REDIS_SHARE = 15_000, 0.6


@dataclass(frozen=True)
class Round:
    rate: float
    """Items per second."""
    redis: float
    """Share of a core that Redis used."""
    worker_s: float
    """Seconds of CPU, all workers together."""


def measure(system: System, items: list[dict[str, Any]], rounds: int) -> list[Round]:
    """After one round that does not count, in which the workers meet each word for the first time."""
    return [_round(system, items) for _ in range(rounds + 1)][1:]


def _round(system: System, items: list[dict[str, Any]]) -> Round:
    redis, workers = system.process("redis"), _workers_s(system)  # workers begin while the job is being accepted
    job = system.submit(items)
    used, started = cpu_s(redis), system.ledger.now()
    seconds = system.work(job)
    elapsed = system.ledger.now() - started
    share = (cpu_s(redis) - used) / elapsed
    seen = Round(len(items) / seconds, share, _workers_s(system) - workers)
    print(f"{seen.rate:10.0f} items/s, Redis {share:.0%} of a core", flush=True)
    return seen


def _workers_s(system: System) -> float:
    return sum(map(cpu_s, system.workers))


def main() -> None:
    parser = Options("queue", __doc__)
    add_titles(parser)
    parser.add_amount("items", 100_000, 30_000)
    parser.add_amount("rounds", 5, 3)
    chosen = parser.chosen()
    count, rounds = chosen.items, chosen.rounds

    items, source = titles(chosen, count)
    with TemporaryDirectory() as folder, System(Path(folder), _WORKERS, "instant") as system:
        seen = measure(system, items, rounds)
    rate, share = (statistics.median(values) for values in zip(*((one.rate, one.redis) for one in seen), strict=True))
    rows = [
        (number, round(one.rate), f"{one.redis:.0%}", round(one.worker_s / count * 1e6))
        for number, one in enumerate(seen, 1)
    ]
    Result(
        name="queue",
        title="The ledger and the queue alone, with an engine that answers at once",
        target=f"{_WORKERS} workers: at least {_TARGET:,} items/s, Redis under {_REDIS_SHARE:.0%} of a core",
        outcome=f"{rate:,.0f} items/s, Redis {share:.0%} of a core",
        reached=rate >= _TARGET and share < _REDIS_SHARE,
        tables=[Table(("round", "items/s", "Redis, of a core", "CPU of the workers, µs per item"), rows)],
        notes=[source],
        command=f"python -m benchmarks.queue{titles_as_typed(chosen)} --items {count} --rounds {rounds}",
    ).save(chosen.output)
    print(f"{rate:,.0f} items/s")


if __name__ == "__main__":
    main()
