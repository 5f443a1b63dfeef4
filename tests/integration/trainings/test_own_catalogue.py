"""A catalogue with categories of its own, on real processes: from a spreadsheet to answers, and again after changes.

The shop has twelve categories in a tree of three levels. After the first training one category is added and labelled,
and one is merged into another; a second training knows both.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from shared.settings import ROOT
from stack.processes import free_port
from stack.services import Ports, Stack
from tests.pictures import in_base64
from tests.training_loop import Loop, check_of
from tests.unit.training import shop
from tests.waiting import wait_for
from tests.workspace import PARAMS, Workspace
from training.sample.pictures import draw_picture
from training.sample.vocabulary import VOCABULARY

PER_CATEGORY = 30
SOURCE = "shop"

GLASSES, LOW_BOOTS, TRAINERS = "H-KIT-E", "M-SHOE-C", "M-SHOE-B"
"""Glasses are new after the first training, when low boots are merged into trainers."""
NEW_LABELS = 40

# On some fifty held-out items one of them is worth two points, and a busy machine answers at any speed.
GATE = {
    **PARAMS["gate"],
    "calibration": 0.4,
    "latency": 10.0,
    "new_categories": {"min_items": 3, "f1": 0.2},
}

pytestmark = pytest.mark.timeout(900)  # two trainings


def picture(code: str, dice: Random) -> bytes:
    """A picture that shows which category it is of."""
    look = list(VOCABULARY.values())[[*shop.LEAVES, GLASSES].index(code)].look
    content = io.BytesIO()
    draw_picture(look, dice).resize((160, 160)).save(content, "JPEG", quality=85)
    return content.getvalue()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What somebody has: a workbook, a table of categories, and the pictures in a zip."""
    folder, dice = tmp_path_factory.mktemp("source"), Random(3)
    rows = shop.rows(PER_CATEGORY)
    shop.write(folder / "products.xlsx", shop.HEADING, rows)
    shop.write(folder / "taxonomy.csv", shop.CATEGORIES[0], shop.CATEGORIES[1:], separator=";", encoding="utf-8-sig")
    shop.zipped(folder / "pictures.zip", {name: picture(name.partition("/")[0], dice) for name in shop.pictures(rows)})
    return folder


@pytest.fixture(scope="module")
def loop(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """The whole service beside a fresh copy of the project, where nothing was trained before."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "repository").mkdir()
    repository = Workspace.of_working_tree(folder / "repository")
    repository.set_params({**PARAMS, "import_data": {"unlabelled": []}, "gate": GATE})
    repository.commit_all()
    settings = {
        "CATALOG_TRAINING_SOURCES": f"{SOURCE}={source}",
        "CATALOG_TRAINING_REPOSITORY": str(repository.folder),
        "CATALOG_TRAINING_WORKSPACES": str(folder / "workspaces"),
        "CATALOG_MODEL_CACHE": str(folder / "models"),
        "MLFLOW_STORE": str(folder / "mlflow-store"),
    }
    ports = Ports(redis=free_port(), api=free_port(), mlflow=free_port())
    with (
        Stack(ROOT, folder / "stack", ports, settings, trainer=True) as stack,
        httpx.Client(base_url=stack.url, timeout=60) as api,
    ):
        yield Loop(api)


@dataclass(frozen=True)
class Model:
    """A model in service: its training, and its answers to products that no training knew."""

    training: dict[str, Any]
    answers: dict[str, dict[str, Any]]
    """In English, by category that is right."""
    table: list[dict[str, str]]
    """The same as a CSV in French."""
    states: dict[str, str]
    """The categories' states, by code."""


def ask(loop: Loop, training: dict[str, Any]) -> Model:
    """Ask the model in service for one new product of each category."""
    dice = Random(99)
    job = loop.classify(product(code, 5000 + number, dice) for number, code in enumerate([*shop.LEAVES, GLASSES]))
    answers = loop.results(job, lang="en")
    table = loop.api.get(f"{job}/results", params={"format": "csv", "lang": "fr"}).raise_for_status().text
    return Model(training, answers, list(csv.DictReader(io.StringIO(table))), states(loop))


def product(code: str, number: int, dice: Random) -> dict[str, Any]:
    title = f"{shop.NAMES.get(code, 'Verres')} été n° {number}"
    return {"id": code, "title": title, "image": {"base64": in_base64(picture(code, dice))}}


def states(loop: Loop) -> dict[str, str]:
    found = loop.api.get("/v1/taxonomy").raise_for_status().json()["categories"]
    return {category["code"]: category["state"] for category in found}


@pytest.fixture(scope="module")
def first(loop: Loop) -> Model:
    """Trained on the spreadsheet, and promoted by a person: the starter in service has other categories."""
    ran = loop.catalog("train", "--source", SOURCE, "--json")
    training = json.loads(ran.stdout)
    promote = f"promote {training['version']} --force --reason"
    assert f"catalog {promote}" in ran.stderr
    assert "every worker serves it" in loop.catalog(*promote.split(), "our own categories").stderr
    assert loop.api.get("/health").json()["bundles"] == [training["bundle"]]
    return ask(loop, training)


def test_a_spreadsheet_is_trained_on_with_its_own_categories(first: Model) -> None:
    assert first.training["data"]["source"]["products"]["count"] == PER_CATEGORY * len(shop.LEAVES)
    assert first.training["data"]["source"]["pictures"]["count"] == (PER_CATEGORY - 1) * len(shop.LEAVES)
    assert {code for code, state in first.states.items() if state == "served"} == {*shop.LEAVES}
    assert {code for code, state in first.states.items() if state == "group"} == {*shop.NAMES} - {*shop.LEAVES}


def test_the_first_model_is_left_to_a_person(first: Model) -> None:
    assert first.training["promoted"] is False
    assert not check_of(first.training, "held_out")["passed"]
    assert "knows none of the catalogue's categories" in check_of(first.training, "contradictions")["detail"]
    assert "a person decides" in first.training["verdict"]["detail"]


def test_answers_have_path_and_names(first: Model) -> None:
    right = [code for code in shop.LEAVES if first.answers[code]["category"]["code"] == code]
    assert len(right) >= 10, {code: first.answers[code]["category"] for code in shop.LEAVES}
    for code in right:
        category = first.answers[code]["category"]
        path = category["path"]
        assert [step["code"] for step in path] == ["-".join(code.split("-")[:depth]) for depth in (1, 2, 3)]
        assert [step["name"] for step in path[:2]] == [shop.ENGLISH[step["code"]] for step in path[:2]]
        assert category["sure"] is None or category["sure"] in path
    assert any(first.answers[code]["category"]["sure"] for code in right), "nothing is sure"


def test_tables_name_the_categories_in_the_language_asked_for(first: Model) -> None:
    assert len(first.table) == len(first.answers)
    for row in first.table:
        category = first.answers[row["id"]]["category"]
        assert row["path"] == shop.path_of(category["code"])
        sure = category["sure"]
        assert (row["sure_code"], row["sure"]) == ((sure["code"], shop.NAMES[sure["code"]]) if sure else ("", ""))


@dataclass(frozen=True)
class Changed:
    """What is so once the categories were changed, before the next training."""

    digest: str
    changes: dict[str, Any]
    labels: dict[str, Any]
    new: dict[str, Any]
    """The new category, as the taxonomy shows it."""
    model: Model


@pytest.fixture(scope="module")
def changed(loop: Loop, first: Model) -> Changed:
    """One category more, with labels, and two merged."""
    answer = loop.api.get("/v1/taxonomy", params={"format": "csv"}).raise_for_status()
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    for row in rows:
        row["moved_to"] = TRAINERS if row["code"] == LOW_BOOTS else ""
    rows.append({"code": GLASSES, "name": "Verres", "name:en": "Glasses", "parent": "H-KIT"})
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), restval="")
    writer.writeheader()
    writer.writerows(rows)
    headers = {"Content-Type": "text/csv", "If-Match": answer.headers["ETag"]}
    put = loop.api.put("/v1/taxonomy", content=text.getvalue(), headers=headers).raise_for_status().json()
    dice = Random(17)
    labels = loop.label(
        {**{name: value for name, value in product(GLASSES, number, dice).items() if name != "id"}, "code": code}
        for number, code in enumerate([GLASSES, "Glasses", "Maison > Cuisine > Verres", GLASSES] * (NEW_LABELS // 4))
    )
    found = loop.api.get("/v1/taxonomy").raise_for_status().json()["categories"]
    (new,) = [category for category in found if category["code"] == GLASSES]
    model = wait_for("the merge is answered", lambda: merged(ask(loop, first.training)), 60)
    return Changed(put["digest"], put, labels, new, model)


def merged(model: Model) -> Model | None:
    """The model, if it answers low boots as what they were merged into."""
    return model if model.answers[LOW_BOOTS]["category"]["code"] == TRAINERS else None


def test_a_new_category_takes_labels_before_it_is_trained(changed: Changed) -> None:
    assert changed.changes["needs_training"] is True
    assert changed.labels["accepted"] == NEW_LABELS
    assert (changed.new["state"], changed.new["labels"]) == ("untrained", NEW_LABELS)
    assert changed.model.answers[GLASSES]["category"]["code"] != GLASSES


def test_a_merge_is_answered_without_a_training(first: Model, changed: Changed) -> None:
    assert first.answers[LOW_BOOTS]["category"]["code"] == LOW_BOOTS
    assert changed.model.answers[LOW_BOOTS]["bundle"] == first.training["bundle"]
    assert changed.model.states[LOW_BOOTS] == "merged"
    assert not named(changed.model, LOW_BOOTS)


@pytest.fixture(scope="module")
def second(loop: Loop, changed: Changed) -> Model:
    """Trained on the same spreadsheet, the labels and the changed categories; the gate promotes it."""
    training = loop.trained(loop.train(source=SOURCE, promote="auto"))
    assert training["promoted"] is True, training["verdict"]
    loop.served(training["bundle"])
    return ask(loop, training)


def test_a_training_works_with_the_categories_of_its_moment(changed: Changed, second: Model) -> None:
    data = second.training["data"]
    assert data["taxonomy"] == data["labels"]["taxonomy"] == changed.digest
    assert data["labels"]["count"] == NEW_LABELS


def test_the_gate_follows_what_was_changed_on_purpose(first: Model, second: Model) -> None:
    assert second.training["verdict"]["champion"] == first.training["bundle"]
    labels = check_of(second.training, "labels")
    assert (labels["passed"], labels["figures"]["changed"]) == (True, 0)
    new = check_of(second.training, "new_categories")
    assert (new["passed"], new["figures"]["categories"]) == (True, 1)
    f1 = check_of(second.training, "weighted_f1")
    assert f1["passed"]
    assert f1["figures"]["challenger_hierarchical"] >= f1["figures"]["challenger"] > 0.5


def test_the_next_model_answers_the_new_category_and_not_the_merged_one(second: Model) -> None:
    assert second.answers[GLASSES]["bundle"] == second.training["bundle"]
    category = second.answers[GLASSES]["category"]
    assert [step["name"] for step in category["path"]] == ["Home", "Kitchen", "Glasses"]
    assert second.answers[LOW_BOOTS]["category"]["code"] == TRAINERS
    assert not named(second, LOW_BOOTS)
    assert (second.states[GLASSES], second.states[LOW_BOOTS]) == ("served", "merged")


def named(model: Model, code: str) -> bool:
    """Whether any answer or alternative is this category."""
    return any(
        guess["code"] == code
        for answer in model.answers.values()
        for guess in (answer["category"], *answer["alternatives"])
    )
