"""The page of all results, made from the benchmarks' files. Run it as

.venv/bin/python -m benchmarks.report
"""

import argparse
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import StrMethodFormatter

from benchmarks.harness import RESULTS, Plot, Result, Table
from training.judge.report.style import INK, drawn

ORDER = (
    "overhead", "cascade", "comparison", "precision", "curve", "text_only", "queue", "latency", "fairness", "scaling",
    "memory", "worker_memory", "waiters", "swap", "cold_start", "categories", "explanation", "remembered",
    "near_copies", "provisional", "promise", "gpu",
)  # fmt: skip
"""The benchmarks in the order of the page."""

_INTRODUCTION = """\
# Results

This page shows how fast the service is. Every comparison is a ratio within one run: the contenders (the service, and
what it is compared with) take turns, and the figures are medians of several rounds. Absolute figures depend on the
machine. `python -m benchmarks.report` makes this page from the files in `{results}`.
"""
_VERDICTS = {True: "yes", False: "**no**", None: "–"}
_COLOURS = ("#2f6fab", "#d0842c", "#4b8b57", "#b5452c", "#7a5ea8", INK)
_MARKED = 40
"""Points are marked if no line has more of them."""
_PLAIN = StrMethodFormatter("{x:g}")
"""20, not 2 × 10¹."""


def write(results: Path, page: Path) -> None:
    """Write the page, and its charts into the folder `plots` beside it."""
    found = load(results)
    plots = page.parent / "plots"
    for result in found:
        if result.plot is not None:
            plots.mkdir(parents=True, exist_ok=True)
            draw(result.plot, plots / f"{result.name}.png")
    page.write_text("\n".join(_page(found, results)), encoding="utf-8")


def load(results: Path) -> list[Result]:
    """Load the existing results in the order of the page; unknown ones come last."""
    names = sorted((path.stem for path in results.glob("*.json")), key=lambda name: (_place(name), name))
    return [Result.load(results / f"{name}.json") for name in names]


def draw(plot: Plot, path: Path) -> None:
    marker = "o" if max(map(len, plot.series.values())) <= _MARKED else ""
    with drawn(path, 8, 4.5) as figure:
        axes = figure.add_subplot()
        for (name, points), colour in zip(plot.series.items(), _colours(plot), strict=True):
            x, y = zip(*points, strict=True)
            axes.plot(x, y, color=colour, marker=marker, markersize=5, linewidth=1.4, label=name)
            for place, text in zip(points, plot.labels.get(name, []), strict=False):
                axes.annotate(text, place, xytext=(5, 5), textcoords="offset points", fontsize=8)
        if plot.log_x:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(_PLAIN)
            axes.xaxis.set_minor_formatter(_PLAIN)
        axes.set(xlabel=plot.x, ylabel=plot.y)
        if len(plot.series) > 1:
            axes.legend()


def _place(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def _colours(plot: Plot) -> list[str]:
    return [_COLOURS[number % len(_COLOURS)] for number in range(len(plot.series))]


def _page(found: Sequence[Result], results: Path) -> Iterator[str]:
    """Lines of the page."""
    yield _INTRODUCTION.format(results=results.as_posix())
    if not found:
        yield "Nothing was measured yet.\n"
        return
    machine = _most_common(result.machine for result in found)
    yield "## The machine\n"
    yield from _table(Table(("", ""), list(machine.items())))
    yield "## Summary\n"
    yield from _summary(found)
    for result in found:
        yield from _section(result, machine)


def _summary(found: Iterable[Result]) -> Iterator[str]:
    rows = [(f"[{one.title}](#{one.name})", one.target, one.outcome, _VERDICTS[one.reached]) for one in found]
    yield from _table(Table(("benchmark", "target", "measured", "reached"), rows))
    yield f'"{_VERDICTS[None]}" means that there was no target, or that it could not be measured on this machine.\n'


def _section(result: Result, machine: dict[str, str]) -> Iterator[str]:
    yield f'<a id="{result.name}"></a>\n\n## {result.title}\n'
    yield _wrapped(f"Target: {result.target}. Measured: {result.outcome}. Reached: {_VERDICTS[result.reached]}.") + "\n"
    if result.command:
        yield f"`{result.command}`, {result.day}\n"
    for table in result.tables:
        if table.caption:
            yield _wrapped(table.caption) + "\n"
        yield from _table(table)
    if result.plot is not None:
        yield f"![{result.plot.y} over {result.plot.x}](plots/{result.name}.png)\n"
    notes = [*result.notes, *_elsewhere(result.machine, machine)]
    if notes:
        yield "\n".join(_wrapped(note, "* ") for note in notes) + "\n"


def _elsewhere(machine: dict[str, str], usual: dict[str, str]) -> Iterator[str]:
    """How this result's machine differs from the usual one."""
    other = [f"{name}: {value}" for name, value in machine.items() if usual.get(name) != value]
    if other:
        yield f"measured elsewhere: {'; '.join(other)}"


def _wrapped(text: str, bullet: str = "") -> str:
    return textwrap.fill(text, 120, initial_indent=bullet, subsequent_indent=" " * len(bullet), break_long_words=False)


def _most_common(machines: Iterable[dict[str, str]]) -> dict[str, str]:
    return dict(Counter(tuple(machine.items()) for machine in machines).most_common(1)[0][0])


def _table(table: Table) -> Iterator[str]:
    yield _row(table.columns)
    yield _row("---" for _ in table.columns)
    yield from map(_row, table.rows)
    yield ""


def _row(cells: Iterable[Any]) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the JSON files")
    parser.add_argument("--page", type=Path, default=RESULTS.with_suffix(".md"), help="what to write")
    chosen = parser.parse_args()
    write(chosen.results, chosen.page)


if __name__ == "__main__":
    main()
