"""Every benchmark, one after another, and the page of their results.

One that fails does not stop the others: it is on the page as failed, and in the exit status. Run it as

    .venv/bin/python -m benchmarks.all --pictures FOLDER --titles CSV --imported FOLDER --weights FILE

Without these it generates the products.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

from benchmarks import report
from benchmarks.harness import Options, Result

_SHORT_S, _LONG_S = 300, 3 * 3600
"""Time limit of one benchmark."""

_PRODUCTS, _CATALOGUE = ("pictures", "titles"), ("imported", "weights", "store")
_TAKES: Mapping[str, tuple[str, ...]] = {
    "overhead": _PRODUCTS,
    "cascade": _PRODUCTS,
    "comparison": _PRODUCTS,
    "precision": _CATALOGUE,
    "curve": _CATALOGUE,
    "text_only": ("titles",),
    "explanation": ("titles",),
    "remembered": ("titles",),
    "promise": ("titles",),
    "provisional": ("titles",),
    "queue": ("titles",),
    "latency": _PRODUCTS,
    "fairness": _PRODUCTS,
    "scaling": ("titles",),
    "memory": _PRODUCTS,
    "worker_memory": _PRODUCTS,
    "swap": _PRODUCTS,
    "gpu": _PRODUCTS,
}
"""Options of this command that are passed to a benchmark."""
_LONG_ALONE = ("swap",)
"""Benchmarks without a meaningful short form."""


def run(name: str, chosen: argparse.Namespace) -> bool:
    """Whether the benchmark succeeded; if it did not, its result says so."""
    print(f"\n== {name}", flush=True)
    start = time.monotonic()
    problem = _problem([sys.executable, "-m", f"benchmarks.{name}", *_arguments(name, chosen)], chosen.short)
    print(f"== {name}: {problem or 'done'}, {time.monotonic() - start:.0f} s", flush=True)
    if problem:
        Result(name, name, "to be measured", problem, False, []).save(chosen.output)
    return not problem


def _arguments(name: str, chosen: argparse.Namespace) -> Iterator[str]:
    yield from ("--output", str(chosen.output))
    if chosen.short:
        yield "--short"
    for option in _TAKES.get(name, ()):
        if (value := getattr(chosen, option)) is not None:
            yield from (f"--{option}", str(value))


def _problem(command: list[str], short: bool) -> str:
    """Why the command failed: the last line of its output; empty if it succeeded."""
    limit_s, last = _SHORT_S if short else _LONG_S, ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        limit = Timer(limit_s, process.terminate)  # the processes it has started end with it
        limit.start()
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
        limit.cancel()
    if process.returncode == 0:
        return ""
    return f"failed with status {process.returncode}: {last}" if process.returncode > 0 else f"ended after {limit_s} s"


def main() -> None:
    parser = Options("all", __doc__)
    parser.add_argument("--pictures", type=Path, help="a folder of image_<imageid>_product_<productid>.jpg")
    parser.add_argument("--titles", type=Path, help="the challenge's CSV with their titles (X_train_update.csv)")
    parser.add_argument("--imported", type=Path, help="output of import_data, for the speed-quality curve")
    parser.add_argument("--weights", type=Path, help="a file with VGG16's convolutions, for the curve")
    parser.add_argument(
        "--store", type=Path, help="folder in which the curve keeps features and answers; temporary by default"
    )
    parser.add_argument("--only", nargs="+", choices=report.ORDER, default=report.ORDER, help="run only these")
    chosen = parser.chosen()
    with TemporaryDirectory() as folder:
        chosen.store = chosen.store or Path(folder)  # the curve reuses what precision has computed
        names = [name for name in chosen.only if not (chosen.short and name in _LONG_ALONE)]
        went_well = [run(name, chosen) for name in names]
    page = chosen.output.with_suffix(".md")
    report.write(chosen.output, page)
    print(f"\n{page}")
    if not all(went_well):
        failed = [name for name, well in zip(names, went_well, strict=True) if not well]
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
