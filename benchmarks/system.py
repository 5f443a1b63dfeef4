"""What the benchmarks of the system around the engine share: the service with workers to choose, jobs, and usage."""

import argparse
import csv
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import cycle, islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from redis import Redis

from benchmarks.bundles import altered
from benchmarks.catalogue import CACHES_OFF
from catalog_client import Catalog
from shared.ledger import Ledger
from shared.model.bundle import GOLDEN, Bundle
from shared.settings import ROOT, local_bundle
from stack.processes import Process
from stack.services import Stack, pick_ports
from training.catalogue.challenge import UNLABELLED_FILE
from training.sample.catalogue import generate

Point = tuple[float, float]
Line = Sequence[Point]
"""A job's progress: moments in seconds, and how many of its items were done by then."""

Items = Callable[[], Iterable[dict[str, Any]]]
"""A job's items, generated for each attempt to send them."""

_STAND_IN = ("instant", "sleeping")
_POLL_S = 0.05
_READY_S = 120
_INVENTED = 512
_TICKS = os.sysconf("SC_CLK_TCK")


class System(Stack):
    """Redis, housekeeper and API on free ports, and workers; nothing is cached, and MLflow is told nothing.

    Args:
        workers: How many serve when it is up.
        runtime: Theirs: `instant` or `sleeping` of `benchmarks.stand_in`, or one with a model.
        settings: Further `CATALOG_…` variables of all processes.
    """

    def __init__(
        self, state: Path, workers: int, runtime: str = "auto", settings: Mapping[str, str] | None = None
    ) -> None:
        chosen = {**CACHES_OFF, "CATALOG_TRACK_PREDICTIONS": "false", "CATALOG_RUNTIME": runtime, **(settings or {})}
        stand_in = runtime in _STAND_IN
        if stand_in:
            bundle = altered(Bundle.load(local_bundle()), state / "bundle", without=[GOLDEN])
            chosen["CATALOG_MODEL"] = str(bundle.folder)
        super().__init__(ROOT, state, pick_ports(mlflow=False, preferred=False), chosen)
        self.workers: list[Process] = []
        self.catalog = Catalog(self.url)
        self.redis = Redis(port=self.ports.redis)
        self.ledger = Ledger(self.redis)
        self._at_first = workers
        self._app = "benchmarks.stand_in" if stand_in else "worker.app"

    def start(self) -> None:
        self.start_redis()
        self.start_housekeeper()
        self.start_api()
        self.grow(self._at_first)

    def grow(self, workers: int) -> None:
        """Start further workers until there are this many; returns when all of them serve."""
        for number in range(len(self.workers), workers):
            self.workers.append(self.start_worker(f"worker{number}", app=self._app))
        for worker in self.workers:
            worker.wait_until(lambda: len(self.serving()) >= workers, _READY_S)

    def serving(self) -> list[dict[str, Any]]:
        """What `/health` says of each worker that has a model."""
        health = httpx.get(f"{self.url}/health", timeout=5).json()
        return [worker for worker in health["workers"] if worker["bundle"]]

    def submit(self, items: Sequence[dict[str, Any]] | Items) -> str:
        """The accepted job's id."""
        return self.catalog.submit(items).id

    def progress(self, job: str) -> Iterator[tuple[float, int]]:
        """Redis's time and how many items are done, again and again until the job has ended.

        The ledger is asked, because asking over HTTP would be part of what is measured.
        """
        while True:
            seen = self.ledger.job(job)
            yield seen.read_at, seen.done
            if seen.ended:
                return
            time.sleep(_POLL_S)

    def work(self, job: str) -> float:
        """Wait for the job's end; returns the seconds from its first lease to its last commit.

        Raises:
            RuntimeError: not every item succeeded.
        """
        for _ in self.progress(job):
            pass
        done = self.ledger.job(job)
        if done.succeeded != done.total or done.started_at is None or done.finished_at is None:
            raise RuntimeError(f"the job is {done.state}: {done.counts}")
        return done.finished_at - done.started_at


def changes(line: Line) -> Line:
    """The points at which more was done than at the one before: commits, as far as they were seen."""
    return [now for before, now in pairwise(line) if now[1] > before[1]]


def rate(line: Line) -> float:
    """Items per second from the first commit to the last one: before, between and after them a job stands still.

    Raises:
        RuntimeError: there were not two commits.
    """
    commits = changes(line)
    if len(commits) < 2:
        raise RuntimeError("less than two commits were seen: it takes more items, or more time")
    (begin, done_then), (end, done_now) = commits[0], commits[-1]
    return (done_now - done_then) / (end - begin)


def add_titles(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--titles", type=Path, help="a table of the challenge with real titles; else invented ones")


def titles_as_typed(options: argparse.Namespace) -> str:
    """The option for a result's command, without this machine's folders."""
    return " --titles CSV" if options.titles else ""


def titles(options: argparse.Namespace, count: int) -> tuple[list[dict[str, Any]], str]:
    """`count` items with a title alone, and which titles they are; the known ones are used in turn."""
    if options.titles:
        known = _titles(options.titles)
    else:
        with TemporaryDirectory() as folder:
            generate(Path(folder), per_type=1, test_items=_INVENTED)
            known = _titles(Path(folder) / UNLABELLED_FILE)
    items = [{"title": title} for title in islice(cycle(known), count)]
    length = sum(map(len, known)) / len(known)
    source = "real" if options.titles else "invented"
    used = f"{len(known):,} {source} titles used in turn, {length:.0f} characters on average"
    return items, f"{count:,} items with a title: {used}"


def cpu_s(process: Process) -> float:
    """Seconds of CPU that the process has used, all threads together."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS  # utime and stime; see proc(5)


def resident_bytes(process: Process, field: str = "VmRSS") -> int:
    """The process's memory; `VmHWM` for its maximum."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise ValueError(f"process {process.pid} has no {field}")


def _titles(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [title for row in csv.DictReader(file) if (title := row["designation"].strip())]
