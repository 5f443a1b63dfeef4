"""What people said, as a training takes it: a copy of all labels in the store at its start, tracked by DVC.

The taxonomy that was put last lies beside them, if one ever was: the training works with the categories of its moment.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from shared.pipeline.stages import LABELS
from shared.pipeline.workspace import WorkspaceError, dvc
from shared.stores.labels import LabelStore, arrival
from shared.stores.taxonomies import TaxonomyStore
from shared.taxonomy import TAXONOMY_FILE, from_json, to_json
from shared.taxonomy.writing import digest


@dataclass(frozen=True)
class LabelSnapshot:
    """Which labels a training learns from."""

    count: int
    md5: str | None
    """DVC's name of the copy; `None` where there are no labels."""
    last: datetime | None
    """When the newest label arrived."""
    taxonomy: str | None = None
    """The digest of the taxonomy that was put last, by which the history names it; `None` if none ever was."""


def take(store: LabelStore, checkout: Path) -> LabelSnapshot:
    """Copy the labels into a fresh checkout and have DVC track them there, before the stages run.

    Where the store has neither labels nor a taxonomy, the checkout stays as it is.

    Raises:
        OSError: The store cannot be reached, or its taxonomy cannot be read.
        WorkspaceError: DVC did not take them.
    """
    put = TaxonomyStore(store.url).latest()
    if store.names() or put is not None:
        store.snapshot(checkout / LABELS)
        if put is not None:
            (checkout / LABELS).mkdir(parents=True, exist_ok=True)
            (checkout / LABELS / TAXONOMY_FILE).write_text(to_json(put.taxonomy), encoding="utf-8")
        try:
            dvc(checkout, "add", "--quiet", str(LABELS))
        except WorkspaceError as error:
            raise WorkspaceError(f"DVC cannot track the labels: {error}") from error
    return snapshot_in(checkout)


def snapshot_in(checkout: Path) -> LabelSnapshot:
    """Describe the labels that lie in the checkout."""
    store, tracked = LabelStore(str(checkout / LABELS)), checkout / f"{LABELS}.dvc"
    names = store.names()
    if not tracked.exists():
        return LabelSnapshot(0, None, None)
    (out,) = yaml.safe_load(tracked.read_text(encoding="utf-8"))["outs"]
    put = checkout / LABELS / TAXONOMY_FILE
    return LabelSnapshot(
        count=sum(1 for _ in store.labels(names)),
        md5=out["md5"],
        last=arrival(names[-1]) if names else None,
        taxonomy=digest(from_json(put.read_bytes())) if put.exists() else None,
    )
