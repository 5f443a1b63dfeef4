"""What people said, as a training takes it: a copy of all labels in the store at its start, tracked by DVC.

The decisions in force at that moment are among them, as labels in a file of their own; undone ones are not learnt. The
taxonomy that was put last lies beside them, if one ever was: the training works with the categories of its moment.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from shared.pipeline.stages import LABELS
from shared.pipeline.workspace import WorkspaceError, dvc
from shared.stores.decisions import DecisionStore, learnable
from shared.stores.labels import Label, LabelStore
from shared.stores.request_files import arrival
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

    Where the store has neither labels nor decisions nor a taxonomy, the checkout stays as it is.

    Raises:
        OSError: The store cannot be reached, or its taxonomy cannot be read.
        WorkspaceError: DVC did not take them.
    """
    if copy_into(checkout / LABELS, store):
        try:
            dvc(checkout, "add", "--quiet", str(LABELS))
        except WorkspaceError as error:
            raise WorkspaceError(f"DVC cannot track the labels: {error}") from error
    return snapshot_in(checkout)


def copy_into(folder: Path, store: LabelStore) -> bool:
    """Make the folder a copy of what people said: labels, decisions in force as labels, and the latest taxonomy.

    Returns:
        Whether there is anything; if not, nothing was done.

    Raises:
        OSError: The store cannot be reached, or its taxonomy cannot be read.
    """
    put = TaxonomyStore(store.url).latest()
    decisions = DecisionStore(store.url)
    names = decisions.names()
    decided = list(learnable(decisions.decisions(names)))
    if not store.names() and not decided and put is None:
        return False
    store.snapshot(folder)
    if decided:
        _add(decided, arrival(names[-1]), store, LabelStore(str(folder)))
    if put is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / TAXONOMY_FILE).write_text(to_json(put.taxonomy), encoding="utf-8")
    return True


def _add(labels: Sequence[Label], last: datetime, store: LabelStore, copy: LabelStore) -> None:
    """Add labels that no file of the store has to its copy, with their pictures; equal labels make equal files."""
    for picture in {label.picture for label in labels if label.picture is not None}:
        copy.put_picture(store.picture(picture))
    content = b"".join(label.line() for label in labels)
    copy.append(LabelStore.name(last.timestamp(), hashlib.sha256(content).hexdigest()[:24]), labels)


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
