"""The labels that a training learns from: a copy of all that are in the store at its start, tracked by DVC."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from shared.pipeline.stages import LABELS
from shared.pipeline.workspace import WorkspaceError, dvc
from shared.stores.labels import LabelStore, arrival


@dataclass(frozen=True)
class LabelSnapshot:
    """Which labels a training learns from."""

    count: int
    md5: str | None
    """DVC's name of the copy; `None` where there are no labels."""
    last: datetime | None
    """When the newest label arrived."""


def take(store: LabelStore, checkout: Path) -> LabelSnapshot:
    """Copy the labels into a fresh checkout and have DVC track them there, before the stages run.

    Where the store is empty the checkout stays as it is.

    Raises:
        OSError: The store cannot be reached.
        WorkspaceError: DVC did not take them.
    """
    if store.names():
        store.snapshot(checkout / LABELS)
        try:
            dvc(checkout, "add", "--quiet", str(LABELS))
        except WorkspaceError as error:
            raise WorkspaceError(f"DVC cannot track the labels: {error}") from error
    return snapshot_in(checkout)


def snapshot_in(checkout: Path) -> LabelSnapshot:
    """Describe the labels that lie in the checkout."""
    store, tracked = LabelStore(str(checkout / LABELS)), checkout / f"{LABELS}.dvc"
    names = store.names()
    if not names or not tracked.exists():
        return LabelSnapshot(0, None, None)
    (out,) = yaml.safe_load(tracked.read_text(encoding="utf-8"))["outs"]
    return LabelSnapshot(sum(1 for _ in store.labels(names)), out["md5"], arrival(names[-1]))
