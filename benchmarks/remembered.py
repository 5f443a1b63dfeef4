"""What asking the memory of decisions costs a worker, with few and with very many decisions in it. Run it as

.venv/bin/python -m benchmarks.remembered --titles CSV
"""

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from benchmarks.harness import Options, Result, Table
from benchmarks.system import add_titles, cpu_s, titles, titles_as_typed
from shared.ledger import DecisionAction, DecisionRow, Decisions, QueuedItem
from shared.settings import ROOT
from shared.stores.decisions import identity_of
from shared.taxonomy import RAKUTEN
from stack import redis_server
from stack.processes import Process, free_port
from worker.classify.remembered import RememberedItems

_TARGET_MS = 0.5
_CHUNK = 64
"""Items that a worker asks about at a time."""
_AT_ONCE = 10_000
_TENANT = "local"


def remember(redis: Redis, first: int, count: int) -> None:
    """Let people have decided about these of the made-up items."""
    decisions = Decisions(redis, keep_s=3600)
    for begin in range(first, first + count, _AT_ONCE):
        rows = [_row(number) for number in range(begin, min(begin + _AT_ONCE, first + count))]
        decisions.apply(_TENANT, f"{begin}.ndjson", begin, rows)


def _row(number: int) -> DecisionRow:
    place = f"{number // 1_000_000:016d}-{number % 1_000_000:06d}"
    identity = identity_of(QueuedItem(number, "", title=_made_up(number))) or ""
    return DecisionRow("none", 0, DecisionAction.DECIDE, place, "anna", "", "10", identity=identity)


def _made_up(number: int) -> str:
    """A title of three words that no other number has."""
    letters = "".join(chr(ord("a") + int(digit)) for digit in str(number))
    return f"produit {letters} {letters[::-1]}"


def measure(redis: Redis, server: Process, items: Sequence[QueuedItem], rounds: int) -> tuple[float, float]:
    """Return the CPU time of the worker and of Redis per item, in ms: medians of the rounds."""
    memory, worker_ms, redis_ms = RememberedItems(redis), list[float](), list[float]()
    for _ in range(rounds):
        of_redis, of_worker = cpu_s(server), time.process_time()
        for chunk in _chunks(items):
            memory.answers(_TENANT, chunk, RAKUTEN)
        worker_ms.append(1000 * (time.process_time() - of_worker) / len(items))
        redis_ms.append(1000 * (cpu_s(server) - of_redis) / len(items))
    return statistics.median(worker_ms), statistics.median(redis_ms)


def _chunks(items: Sequence[QueuedItem]) -> Iterator[Sequence[QueuedItem]]:
    for first in range(0, len(items), _CHUNK):
        yield items[first : first + _CHUNK]


def main() -> None:
    parser = Options("remembered", __doc__)
    add_titles(parser)
    parser.add_amount("items", 10_000, 2_000)
    parser.add_amount("rounds", 5, 3)
    parser.add_amount("most", 1_000_000, 100_000)
    chosen = parser.chosen()
    asked, which = titles(chosen, chosen.items)
    items = [QueuedItem(index, str(index), title=item["title"]) for index, item in enumerate(asked)]
    rows, known = list[tuple[int, float, float, float]](), 0
    with TemporaryDirectory() as folder:
        port = free_port()
        command = redis_server.server_command(port, Path(folder))
        server = Process("redis", command, Path(folder) / "redis.log", os.environ, ROOT)
        try:
            redis_server.wait_for(server, port)
            redis = Redis(port=port)
            for decisions in (0, 20_000, chosen.most):
                remember(redis, known, decisions - known)
                known = decisions
                worker, of_redis = measure(redis, server, items, chosen.rounds)
                held = redis.info("memory")["used_memory"] / 1e6
                rows.append((decisions, round(worker, 4), round(of_redis, 4), round(held, 1)))
                print(f"{decisions:9,} decisions: {worker:.4f} ms, Redis {of_redis:.4f} ms, {held:.0f} MB", flush=True)
        finally:
            server.stop()
    (_, few_worker, few_redis, _), (_, many_worker, many_redis, _) = rows[1:]
    few, many = few_worker + few_redis, many_worker + many_redis
    Result(
        name="remembered",
        title="Asking the memory of decisions",
        target=f"at most {_TARGET_MS} core-ms a text with 20,000 decisions; no more with a million",
        outcome=f"{few:.3f} core-ms a text with 20,000, {many:.3f} with {chosen.most:,}",
        reached=few <= _TARGET_MS and many <= _TARGET_MS,
        tables=[Table(("decisions", "worker, core-ms a text", "Redis, core-ms a text", "Redis' memory, MB"), rows)],
        notes=[
            f"{len(items):,} items with a title, in chunks of {_CHUNK}: {which}; nobody has decided about any",
            "Redis' memory includes the latest 50,000 decisions, which other systems can read",
        ],
        command=f"python -m benchmarks.remembered{titles_as_typed(chosen)} --items {chosen.items} --most {chosen.most}",
    ).save(chosen.output)


if __name__ == "__main__":
    main()
