"""The labels that a training learns from: a copy of all there are at its start, given to DVC."""

import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from shared.stores.labels import LabelStore, arrival

DATASET = Path("data/labels/dataset")
"""In a checkout; `import_data` looks there."""


class SnapshotError(RuntimeError):
    """DVC did not take the labels; the message is its own."""


@dataclass(frozen=True)
class DataSeen:
    """Which labels a training has seen."""

    count: int
    md5: str | None
    """DVC's name of the data set; `None` where there is none."""
    last: datetime | None
    """When the newest label arrived."""


def take(store: LabelStore, checkout: Path) -> DataSeen:
    """Copy the labels into a fresh checkout and have DVC track them there, before the stages run.

    Where the store is empty the checkout stays as it is.

    Raises:
        OSError: the store is away.
        SnapshotError: see there.
    """
    if store.names():
        store.snapshot(checkout / DATASET)
        command = [sys.executable, "-m", "dvc", "add", "--quiet", str(DATASET)]
        added = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)  # noqa: S603
        if added.returncode != 0:
            raise SnapshotError(f"dvc add {DATASET}: {added.stderr.strip()}")
    return seen(checkout)


def seen(checkout: Path) -> DataSeen:
    """The labels that lie in the checkout, whoever took them."""
    there, tracked = LabelStore(str(checkout / DATASET)), checkout / f"{DATASET}.dvc"
    names = there.names()
    if not names or not tracked.exists():
        return DataSeen(0, None, None)
    (out,) = yaml.safe_load(tracked.read_text(encoding="utf-8"))["outs"]
    return DataSeen(sum(1 for _ in there.labels(names)), out["md5"], arrival(names[-1]))
