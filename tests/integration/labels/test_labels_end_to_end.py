"""Labels through the running service, and into a training with the real DVC."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pandas as pd

from shared.stores.labels import Label, LabelKind, LabelStore
from shared.stores.request_files import arrival
from stack.services import Stack
from tests.pictures import in_base64, jpeg
from tests.waiting import finished
from tests.workspace import Workspace
from training.pipeline.layout import IMPORTED
from worker.trainings.label_snapshot import LabelSnapshot, snapshot_in, take

_LABEL = Label(
    index=0, code="40", by="anna", at=datetime(2026, 1, 1, tzinfo=UTC), tenant="local", title="Jeu jamais vu"
)


def test_a_training_sees_the_labels_of_its_start(workspace: Workspace, tmp_path: Path) -> None:
    checkout, store = workspace.copy(tmp_path / "checkout"), LabelStore(str(tmp_path / "store"))
    assert take(store, checkout.folder) == LabelSnapshot(0, None, None)
    assert "didn't change" in checkout.run("dvc", "repro", "import_data"), "an empty store changes nothing"
    before = pd.read_parquet(checkout.folder / IMPORTED / "products.parquet")

    name = LabelStore.name(1_800_000_000, "0" * 24)
    store.append(name, [_LABEL])
    told = take(store, checkout.folder)
    assert (told.count, told.last) == (1, arrival(name))
    assert told.md5 is not None
    assert told.md5.endswith(".dir")
    store.append(LabelStore.name(1_800_000_001, "1" * 24), [_LABEL])
    assert snapshot_in(checkout.folder) == told, "what came later is for the next training"
    assert "Running stage 'import_data'" in checkout.run("dvc", "repro", "import_data")
    after = pd.read_parquet(checkout.folder / IMPORTED / "products.parquet")
    assert len(after) == len(before) + 1
    assert after.iloc[-1][["title", "category"]].tolist() == ["Jeu jamais vu", "40"]


def test_results_of_the_running_service_are_corrected_by_their_ids(
    stack: Stack, api: httpx.Client, picture_site: str
) -> None:
    picture = jpeg("olive", (60, 60))
    items = [
        {"id": "sent", "title": "Piscine gonflable", "image": {"base64": in_base64(picture)}},
        {"id": "fetched", "title": "Console de jeux", "image": {"url": f"{picture_site}/there.jpg"}},
        {"id": "only-fetched", "image": {"url": f"{picture_site}/there.jpg"}},
    ]
    job = api.post("/v1/jobs", json={"items": items}).raise_for_status().json()
    assert finished(api, job["url"])["state"] == "completed"
    answers = {result["id"]: result for result in api.get(job["results_url"]).json()["results"]}
    said = answers["sent"]["category"]["code"]
    other = 40 if answers["fetched"]["category"]["code"] != 40 else 50
    codes = {"sent": said, "fetched": other, "only-fetched": 10}
    labels = [{"job_id": job["id"], "item_id": item, "code": code} for item, code in codes.items()]
    refused = api.post("/v1/labels", json={"labels": labels})
    assert [(error["index"], error["code"]) for error in refused.json()["errors"]] == [(2, "nothing_to_learn")]
    out = api.post("/v1/labels", json={"labels": labels[:2]}).raise_for_status().json()
    assert (out["accepted"], out["confirmations"], out["corrections"]) == (2, 1, 1)
    store = LabelStore(stack.env["CATALOG_LABELS_URL"])
    confirmed, corrected = store.labels([f"{out['id']}.ndjson"])
    assert (confirmed.kind, confirmed.bundle) == (LabelKind.CONFIRMATION, answers["sent"]["bundle"])
    assert store.picture(str(confirmed.picture)) == picture
    assert (corrected.title, corrected.picture, corrected.guess) == (
        "Console de jeux",
        None,
        answers["fetched"]["category"]["code"],
    )
    assert corrected.url == f"{picture_site}/there.jpg"
