"""Parts that all benchmarks share: alternating rounds, results as files, and the command line's options."""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from benchmarks import machine

RESULTS = Path("benchmarks/results")
"""Results of the long form, one JSON file per benchmark; `benchmarks.report` makes the page from them."""


@dataclass(frozen=True)
class Table:
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    caption: str = ""


@dataclass(frozen=True)
class Plot:
    """Lines through points: `series` by name, each a list of (x, y); `labels` of the points of a series, if any."""

    series: dict[str, list[tuple[float, float]]]
    x: str
    y: str
    labels: dict[str, list[str]] = field(default_factory=dict)
    log_x: bool = False


@dataclass(frozen=True)
class Result:
    """One benchmark's result: its target, the measured value, and tables."""

    name: str
    """The benchmark's module: `python -m benchmarks.<name>` repeats it."""
    title: str
    target: str
    outcome: str
    """The figure that the target is about, in a few words."""
    reached: bool | None
    """`None` if there was no target, or it could not be measured on this machine."""
    tables: list[Table]
    notes: list[str] = field(default_factory=list)
    plot: Plot | None = None
    command: str = ""
    machine: dict[str, str] = field(default_factory=machine.describe)
    """The machine of the measurement."""
    day: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a file that `save` has written."""
        said = json.loads(path.read_text(encoding="utf-8"))
        plot = said["plot"] and Plot(**said["plot"])
        return cls(**{**said, "tables": [Table(**table) for table in said["tables"]], "plot": plot})

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"
        (folder / f"{self.name}.json").write_text(text, encoding="utf-8")


class Options(argparse.ArgumentParser):
    """`--short` for a quick look, `--output` for where the result goes; a benchmark may add its own."""

    def __init__(self, name: str, description: str | None) -> None:
        super().__init__(prog=f"python -m benchmarks.{name}", description=description)
        self._amounts: dict[str, tuple[float, float]] = {}
        self.add_argument("--short", action="store_true", help="less work and fewer rounds")
        self.add_argument("--output", type=Path, default=RESULTS, help="the folder for the result")

    def add_amount(self, name: str, long: float, short: float, what: str = "") -> None:
        """`--name`, a number whose default depends on `--short`; of the type of `long`."""
        self._amounts[name] = (long, short)
        told = f"{long:,} by default, {short:,} in the short form"
        self.add_argument(f"--{name}", type=type(long), help=f"{what}: {told}" if what else told)

    def chosen(self) -> argparse.Namespace:
        """Parse the command line; omitted amounts get their defaults."""
        chosen = self.parse_args()
        for name, (long, short) in self._amounts.items():
            if getattr(chosen, name) is None:
                setattr(chosen, name, short if chosen.short else long)
        return chosen


def alternate(contenders: Mapping[str, Callable[[], None]], items: int, rounds: int) -> dict[str, list[float]]:
    """Items per second of each contender in each round, taking turns; a first round warms up and does not count."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            rate = items / (time.perf_counter() - start)
            if number:
                rates[name].append(rate)
            print(f"round {number or 'warm-up'}  {name:24} {rate:10.1f} items/s", flush=True)
    return rates


def medians(rates: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in rates.items()}


def rate_table(rates: Mapping[str, Sequence[float]], reference: str) -> Table:
    """A row per contender: its rounds, their median, and the reference's median over it."""
    middle = medians(rates)
    rows = [
        (
            name,
            " / ".join(f"{rate:.1f}" for rate in values),
            round(middle[name], 1),
            round(middle[reference] / middle[name], 2),
        )
        for name, values in rates.items()
    ]
    return Table(("contender", "rounds, items/s", "median, items/s", f"{reference} is … times as fast"), rows)
