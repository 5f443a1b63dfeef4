"""The whole loop on real processes: corrections, a training over HTTP, its verdict, its model in service, and back."""

import csv
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.pipeline.stages import GATE
from shared.settings import ROOT
from stack.processes import free_port
from stack.services import Ports, Stack
from tests.late_picture import late_picture
from tests.pictures import in_base64
from tests.rakuten import CODES
from tests.training_loop import Loop, check_of
from tests.waiting import wait_for
from tests.workspace import Workspace
from training.catalogue.challenge import LABELS_FILE, PICTURES_FOLDER, PRODUCTS_FILE, picture_name
from training.sample.catalogue import generate

# Too small to learn much. (One that was trained too briefly would not do: its answers hang on the last bits of the
# arithmetic, so it does not give its golden answers again.)
SMALL = {"train": {"text": {"embedding": 2, "units": 2}, "image": {"units": 2}}}

# On a few dozen held-out items one of them is worth three points.
GATE_OF_A_SMALL_CATALOGUE = {
    "min_items": 20,
    "margin": 0.15,
    "calibration": 0.4,
    "latency": 5.0,
    "review": {"coverage": 1.0, "precision": 0.5},
    # The first model is too small to be right where it is sure.
    "contradicted": {"share": 0.8, "share_of_class": 1.0},
}

BULK_ITEMS = 300

pytestmark = pytest.mark.timeout(900)  # three trainings, behind that of the workspace


@dataclass(frozen=True)
class Product:
    id: str
    item: dict[str, Any]
    code: str
    """The product type that it has."""


@dataclass(frozen=True)
class ProductLoop(Loop):
    products: list[Product]
    """Products that no model was trained on."""


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> list[Product]:
    folder = tmp_path_factory.mktemp("products")
    generate(folder, per_type=3, test_items=0, seed=11)
    with (folder / PRODUCTS_FILE).open(newline="") as titles, (folder / LABELS_FILE).open(newline="") as labels:
        codes = [row["prdtypecode"] for row in csv.DictReader(labels)]
        rows = list(csv.DictReader(titles))
    return [Product(row[""], _item(row, folder), code) for row, code in zip(rows, codes, strict=True)]


def _item(row: dict[str, str], folder: Path) -> dict[str, Any]:
    item: dict[str, Any] = {"id": row[""], "title": row["designation"], "description": row["description"]}
    picture = folder / PICTURES_FOLDER / picture_name(int(row["imageid"]), int(row["productid"]))
    if picture.exists():
        item["image"] = {"base64": in_base64(picture.read_bytes())}
    return {name: value for name, value in item.items() if value}


@pytest.fixture(scope="module")
def loop(
    workspace: Workspace, products: list[Product], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProductLoop]:
    """The whole service, following the registry; trainings run in clones of a copy of the project."""
    folder = tmp_path_factory.mktemp("loop")
    repository = workspace.copy(folder / "repository")
    repository.set_params({"gate": GATE_OF_A_SMALL_CATALOGUE})
    repository.commit_all()
    settings = {
        "CATALOG_TRAINING_REPOSITORY": str(repository.folder),
        "CATALOG_TRAINING_WORKSPACES": str(folder / "workspaces"),
        "CATALOG_LABELS_URL": f"file://{folder}/labels",
        "CATALOG_MODEL_CACHE": str(folder / "models"),
        "CATALOG_CACHED_PREDICTIONS": "0",
        "CATALOG_CACHED_FEATURES": "0",
        "MLFLOW_STORE": str(folder / "mlflow-store"),
    }
    ports = Ports(redis=free_port(), api=free_port(), mlflow=free_port())
    with (
        Stack(ROOT, folder / "stack", ports, settings, trainer=True) as stack,
        httpx.Client(base_url=stack.url, timeout=60) as api,
    ):
        yield ProductLoop(api, products)


@pytest.fixture(scope="module")
def first(loop: ProductLoop) -> dict[str, Any]:
    """A training of a small model, whose promotion was forced."""
    training = loop.trained(loop.train(params=SMALL, promote="never"))
    assert training["promoted"] is False
    version = training["version"]
    assert [model["aliases"] for model in loop.models()["models"]] == [[]], "a trial is no challenger"
    refused = loop.api.post(f"/v1/models/{version}/promote")
    if not training["verdict"]["passed"]:
        assert refused.status_code == 409, refused.text
    loop.api.post(f"/v1/models/{version}/promote", json={"force": True, "reason": "the first"}).raise_for_status()
    loop.served(training["bundle"])
    return training


@dataclass(frozen=True)
class Retraining:
    """All products labelled, a training on the labels, and a bulk job that runs while its model is swapped in."""

    answers: dict[str, dict[str, Any]]
    """The first model's results, by product."""
    labels: dict[str, Any]
    """The answer to the corrections and confirmations."""
    shown: set[tuple[str, int | None]]
    """The stages that the training showed, and what they counted to."""
    training: dict[str, Any]
    job: dict[str, Any]
    """The bulk job."""
    results: Counter[str]
    """The bulk job's results, by bundle."""


@pytest.fixture(scope="module")
def second(loop: ProductLoop, first: dict[str, Any]) -> Retraining:
    before = loop.classify(product.item for product in loop.products)
    answers, job_id = loop.results(before), before.rpartition("/")[2]
    labels = loop.label(
        {"job_id": job_id, "item_id": product.id, "code": product.code, "by": "anna"} for product in loop.products
    )
    url = loop.train(promote="auto")
    shown = _shown_until(loop, url, GATE)
    with late_picture(longest_s=2) as (picture, at_once):
        bulk = loop.classify(
            {"id": str(i), "title": f"article {i}", "image": {"url": picture}} for i in range(BULK_ITEMS)
        )
        training = loop.trained(url)
        assert training["promoted"] is True, training["verdict"]
        loop.served(training["bundle"])
        at_once.set()
        results = Counter(str(result["bundle"]) for result in loop.results(bulk).values())
    return Retraining(answers, labels, shown, training, loop.api.get(bulk).raise_for_status().json(), results)


def test_labels_count_as_corrections_or_confirmations(
    loop: ProductLoop, first: dict[str, Any], second: Retraining
) -> None:
    assert {answer["bundle"] for answer in second.answers.values()} == {first["bundle"]}
    right = sum(second.answers[product.id]["category"]["code"] == product.code for product in loop.products)
    assert (second.labels["accepted"], second.labels["confirmations"]) == (len(loop.products), right)
    assert second.labels["corrections"] == len(loop.products) - right > 0


def test_a_training_on_corrections_beats_the_champion(
    loop: ProductLoop, first: dict[str, Any], second: Retraining
) -> None:
    assert {name for name, _ in second.shown} >= {"import_data", "preprocess", "train", "evaluate"}
    assert any(name == "train" and total for name, total in second.shown), "no epochs were counted"
    assert second.training["verdict"]["passed"]
    assert second.training["verdict"]["champion"] == first["bundle"]
    assert check_of(second.training, "weighted_f1")["figures"]["gain"] > 0
    assert second.training["data"]["labels"]["count"] == len(loop.products)


def test_a_job_that_runs_during_the_swap_has_results_of_both_models(first: dict[str, Any], second: Retraining) -> None:
    assert second.results.total() == BULK_ITEMS
    assert second.results.keys() == {first["bundle"], second.training["bundle"]}, "the bulk job saw no swap"
    assert second.job["bundles"] == second.results


def test_the_promoted_model_serves_until_a_rollback(
    loop: ProductLoop, first: dict[str, Any], second: Retraining
) -> None:
    bundle = second.training["bundle"]
    after = loop.results(loop.classify(product.item for product in loop.products))
    assert {answer["bundle"] for answer in after.values()} == {bundle}
    models = loop.models()
    assert (models["champion"], models["previous"]) == (second.training["version"], first["version"])

    loop.api.post("/v1/models/rollback", json={"reason": "a test"}).raise_for_status()
    loop.served(first["bundle"])
    again = loop.results(loop.classify(product.item for product in loop.products[:5]))
    assert {answer["bundle"] for answer in again.values()} == {first["bundle"]}
    assert [change["kind"] for change in loop.models()["history"]] == ["rollback", "promote", "promote"]

    loop.api.post("/v1/models/rollback", json={"reason": "undone"}).raise_for_status()
    loop.served(bundle)


def test_poisoned_labels_are_refused_and_the_champion_stays(loop: ProductLoop, second: Retraining) -> None:
    champion = loop.models()["champion"]
    dice = random.Random(3)
    wrong = [
        product.item | {"code": dice.choice([code for code in CODES if code != product.code])}
        for product in loop.products
    ]
    answer = loop.label({name: value for name, value in label.items() if name != "id"} for label in wrong)
    assert answer["accepted"] == len(loop.products)
    training = loop.trained(loop.train(promote="auto"))
    assert training["promoted"] is False
    assert training["verdict"]["passed"] is False
    assert not check_of(training, "labels")["passed"]
    assert "another label" in training["verdict"]["detail"]
    models = loop.models()
    assert models["champion"] == champion
    assert models["champion"] != training["version"]
    (refused,) = [model for model in models["models"] if model["version"] == training["version"]]
    assert refused["gate"]["passed"] is False


def test_client_commands_of_the_training_loop(loop: ProductLoop, second: Retraining, tmp_path: Path) -> None:
    ran = loop.catalog("train", "--promote", "never")
    printed = ran.stdout + ran.stderr
    assert "train: unchanged" in printed, "nothing had changed since the last one"
    assert "not promoted" in printed
    assert "another label" in printed

    product, job = loop.products[0], loop.classify([loop.products[0].item])
    loop.results(job)
    table = tmp_path / "corrections.csv"
    table.write_text(f"id,code\n{product.id},{product.code}\n")
    assert "1 accepted" in loop.catalog("label", str(table), "--job", job.rpartition("/")[2]).stderr

    before = loop.models()
    assert "champion" in loop.catalog("models").stdout
    loop.catalog("rollback", "--reason", "from the client")
    assert loop.models()["champion"] == before["previous"]
    loop.catalog("promote", before["champion"], "--force", "--reason", "from the client")
    assert loop.models()["champion"] == before["champion"]
    assert loop.models()["history"][0]["why"] == "from the client"


def _shown_until(loop: ProductLoop, url: str, last: str) -> set[tuple[str, int | None]]:
    """The stages that ran, and what they counted to, until the stage `last` runs."""
    shown: set[tuple[str, int | None]] = set()

    def reached() -> bool:
        training = loop.training(url)
        assert training["finished_at"] is None, training["error"] or training["verdict"]
        for stage in training["stages"]:
            if stage["state"] == "running":
                shown.add((stage["name"], stage["total"]))
        return bool(training["stage"] == last)

    wait_for(f"{url} comes to {last}", reached, 300, pause_s=0.2)
    return shown
