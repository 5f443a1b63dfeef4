"""A training's copy of the labels, with the real DVC: the stage that imports the data runs again, and merges it."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from shared.labels import Label, LabelStore, arrival
from tests.workspace import Workspace
from training.layout import IMPORTED, LABELS
from worker.label_snapshot import DATASET, DataSeen, seen, take

_LABEL = Label(index=0, code=40, by="anna", at=datetime(2026, 1, 1, tzinfo=UTC), tenant="local", title="Jeu jamais vu")


def test_a_training_sees_the_labels_of_its_start(workspace: Workspace, tmp_path: Path) -> None:
    checkout, store = workspace.copy(tmp_path / "checkout"), LabelStore(str(tmp_path / "store"))
    assert DATASET == LABELS
    assert take(store, checkout.folder) == DataSeen(0, None, None)
    assert "didn't change" in checkout.run("dvc", "repro", "import_data"), "an empty store changes nothing"
    before = pd.read_parquet(checkout.folder / IMPORTED / "products.parquet")

    name = LabelStore.name(1_800_000_000, "0" * 24)
    store.append(name, [_LABEL])
    told = take(store, checkout.folder)
    assert (told.count, told.last) == (1, arrival(name))
    assert told.md5 is not None
    assert told.md5.endswith(".dir")
    store.append(LabelStore.name(1_800_000_001, "1" * 24), [_LABEL])
    assert seen(checkout.folder) == told, "what came later is for the next training"
    assert "Running stage 'import_data'" in checkout.run("dvc", "repro", "import_data")
    after = pd.read_parquet(checkout.folder / IMPORTED / "products.parquet")
    assert len(after) == len(before) + 1
    assert after.iloc[-1][["designation", "prdtypecode"]].tolist() == ["Jeu jamais vu", 40]
