"""How long a worker on a CPU takes from its start to its first result, of a job that waits for it.

Each start is a fresh process; the job is one item with a title and a picture. With Python's bytecode and the files in
the page cache that is what a restart or one more worker costs; once without bytecode, and in the long form once with
nothing in the page cache, is what the first start on a machine costs. Run it as

    .venv/bin/python -m benchmarks.cold_start
"""

import os
import statistics
import sysconfig
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import pictures
from benchmarks.harness import Options, Result, Table
from benchmarks.pictures import as_item, with_other_bytes
from benchmarks.system import System, cpu_s
from shared.settings import ROOT
from stack.processes import Process
from stack.services import bundle_folder

_TARGET_S = 3.0
_LONGEST_S = 120
_PACKAGES = ("api", "shared", "worker")
_READY, _SERVING = "ready.", "serving bundle"
"""Lines in the worker's log during its start."""


@dataclass(frozen=True)
class Start:
    """Seconds from the process's start."""

    ready: float
    """Celery listens."""
    serving: float
    """The model is loaded and warmed up."""
    result: float
    cpu: float
    """CPU time of the worker until the result."""


class Starts:
    """Workers one after another, each with a job that waits for it.

    Args:
        bytecode: A folder for Python's bytecode, empty at first: no matter what the environment says of it.
    """

    def __init__(self, system: System, product: pictures.Product, bytecode: Path) -> None:
        self._system, self._product = system, product
        self._python = {"PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONDONTWRITEBYTECODE": ""}
        self._count = 0

    def start(self) -> Start:
        self._count += 1
        item = as_item(with_other_bytes(self._product, f"start {self._count}"))
        job = self._system.submit([item])
        began = time.time()
        worker = self._system.start_worker(f"worker{self._count}", self._python)
        worker.wait_until(lambda: self._system.ledger.job(job).ended, _LONGEST_S)
        cpu, result = cpu_s(worker), self._system.ledger.job(job).finished_at
        assert result is not None  # Redis has the same clock: it is on the same machine
        seen = Start(_said(worker, _READY) - began, _said(worker, _SERVING) - began, result - began, cpu)
        worker.stop()
        print(f"ready {seen.ready:.2f} s, serving {seen.serving:.2f} s, first result {seen.result:.2f} s", flush=True)
        return seen


def _said(worker: Process, words: str) -> float:
    """When the line was logged, in seconds since the epoch; 0 if it was not."""
    for line in worker.log.read_text().splitlines():
        if words in line:
            day, clock, *_ = line.split()
            return datetime.fromisoformat(f"{day} {clock.replace(',', '.')}").timestamp()
    return 0.0


def forget(folders: Iterable[Path]) -> None:
    """Take the folders' files out of the page cache, except what a running process has mapped."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = Options("cold_start", __doc__)
    parser.add_amount("rounds", 7, 3)
    chosen = parser.chosen()
    rounds = chosen.rounds

    chosen.pictures = chosen.titles = None
    product = pictures.load(chosen, 1).products[0]
    with TemporaryDirectory() as folder, System(Path(folder) / "state", 0) as system:
        starts = Starts(system, product, Path(folder) / "bytecode")
        seen = {"without bytecode": [starts.start()]}
        seen["warm"] = [starts.start() for _ in range(rounds)]
        if not chosen.short:
            libraries = Path(sysconfig.get_path("purelib"))
            forget([libraries, Path(folder) / "bytecode", bundle_folder(), *(ROOT / name for name in _PACKAGES)])
            seen["nothing in the page cache"] = [starts.start()]
    middle = statistics.median(start.result for start in seen["warm"])
    rows = [
        (name, len(of), *(f"{statistics.median(column):.2f}" for column in zip(*map(_row, of), strict=True)))
        for name, of in seen.items()
    ]
    Result(
        name="cold_start",
        title="Cold start of a CPU worker",
        target=f"first result under {_TARGET_S:g} s after the process's start",
        outcome=f"{middle:.2f} s",
        reached=middle < _TARGET_S,
        tables=[
            Table(
                ("start", "times", "Celery listens, s", "model serves, s", "first result, s", "CPU until then, s"), rows
            )
        ],
        notes=[
            "medians; `warm`: bytecode is compiled and the files are in the page cache, as when a worker starts again",
            "one item with a title and a 500×500 picture; its job waits before the worker starts",
        ],
        command=f"python -m benchmarks.cold_start --rounds {rounds}",
    ).save(chosen.output)
    print(f"first result after {middle:.2f} s")


def _row(start: Start) -> tuple[float, float, float, float]:
    return start.ready, start.serving, start.result, start.cpu


if __name__ == "__main__":
    main()
