"""Answers of a real worker: their paths, and taxonomies that are put while it serves."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from redis import Redis

from shared.ledger import PictureUse, ProvisionalColumns, QueuedItem
from shared.model.bundle import Bundle
from shared.settings import ROOT, Settings
from shared.stores.taxonomies import Taxonomies
from shared.taxonomy import RAKUTEN, Taxonomy
from stack.services import Stack, pick_ports
from tests.bundles import with_levels
from tests.waiting import finished, wait_for
from worker.classify.isolation import classify_isolated

_OTHERS = (
    "Roman policier tome",
    "Piscine gonflable modèle",
    "Carte à jouer numéro",
    "Coussin décoratif taille",
)
POOL, BOOK = {"id": "pool", "title": "Piscine gonflable ronde"}, {"id": "book", "title": "Roman policier neuf"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter, with a threshold for departments that every answer reaches."""
    starter = Bundle.load(ROOT / "models/starter")
    return with_levels(starter, tmp_path_factory.mktemp("bundle") / "bundle", 0.0).folder


@pytest.fixture(scope="module")
def stack(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {"CATALOG_MODEL": str(bundle), "CATALOG_TRACK_PREDICTIONS": "false"}
    with Stack(ROOT, tmp_path_factory.mktemp("stack"), pick_ports(mlflow=False, preferred=False), settings) as running:
        wait_for("a worker serves", running.serves)
        yield running


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        yield client


def put(stack: Stack, taxonomy: Taxonomy) -> None:
    """Let the taxonomy be in force."""
    with Redis(port=stack.ports.redis) as redis:
        taxonomies = Taxonomies(redis, stack.env["CATALOG_LABELS_URL"])
        latest = taxonomies.latest()
        number = 0 if latest is None else latest.number
        taxonomies.put(taxonomy, replaces=number, tenant="shop", key=None, changes={})


def changed(**changes: dict[str, Any]) -> Taxonomy:
    """Rakuten's with other fields of some categories, as `c10={"retired": True}`."""
    return Taxonomy(tuple(replace(category, **changes.get(f"c{category.code}", {})) for category in RAKUTEN.categories))


def classified(api: httpx.Client, *items: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Results by the items' ids."""
    job = api.post("/v1/jobs", json={"items": items}).raise_for_status().json()["id"]
    assert finished(api, f"/v1/jobs/{job}")["state"] == "completed"
    page = api.get(f"/v1/jobs/{job}/results").raise_for_status().json()
    return {result["id"]: result for result in page["results"]}


def codes(path: list[dict[str, Any]]) -> list[str]:
    return [category["code"] for category in path]


def test_a_result_has_the_path_to_its_category(api: httpx.Client) -> None:
    results = classified(api, POOL, BOOK)
    pool, book = results["pool"]["category"], results["book"]["category"]
    assert codes(pool["path"]) == ["garden", "2583"]
    assert codes(book["path"])[0] == "books"
    for answer in (pool, book):
        assert answer["path"][-1] == {name: answer[name] for name in ("code", "name", "confidence")}
        shares = [category["confidence"] for category in answer["path"]]
        assert shares == sorted(shares, reverse=True)
        assert answer["sure"] in answer["path"]


def test_tables_have_the_path_and_what_is_sure_of_it(api: httpx.Client, tmp_path: Path) -> None:
    job = api.post("/v1/jobs", json={"items": [POOL]}).raise_for_status().json()["id"]
    finished(api, f"/v1/jobs/{job}")
    answer = api.get(f"/v1/jobs/{job}/results", params={"format": "parquet"}).raise_for_status()
    (tmp_path / "results.parquet").write_bytes(answer.content)
    (row,) = pq.read_table(tmp_path / "results.parquet").to_pylist()
    assert row["path"] == "Jardin, piscine et bricolage > Piscines et accessoires"
    assert row["sure_code"] in ("garden", "2583")


def test_a_merge_is_answered_at_once_for_cached_items_too(stack: Stack, api: httpx.Client) -> None:
    put(stack, changed())
    before = classified(api, POOL)["pool"]
    again = classified(api, POOL)["pool"]
    assert (before["category"]["code"], again["category"], again["cached"]) == ("2583", before["category"], True)
    put(stack, changed(c2583={"moved_to": "2582"}))
    after = classified(api, POOL)["pool"]
    assert (after["category"]["code"], after["cached"]) == ("2582", False)
    assert after["category"]["confidence"] >= before["category"]["confidence"]
    assert "2583" not in codes([after["category"], *after["alternatives"]])
    assert classified(api, POOL)["pool"]["cached"] is True
    assert api.post("/predict", json={"description": POOL["title"]}).raise_for_status().json()["category_id"] == 2582


def test_a_retired_category_is_answered_no_more_until_it_is_back(stack: Stack, api: httpx.Client) -> None:
    put(stack, changed(c2583={"retired": True}))
    without = classified(api, POOL)["pool"]
    assert without["category"]["code"] != "2583"
    assert "2583" not in codes(without["alternatives"])
    assert (without["needs_review"], without["category"]["sure"]) == (True, None)
    put(stack, changed())
    assert classified(api, POOL)["pool"]["category"]["code"] == "2583"


def test_a_category_that_was_moved_has_its_new_path(stack: Stack, api: httpx.Client) -> None:
    put(stack, changed(c2583={"parent": "toys"}))
    assert codes(classified(api, POOL)["pool"]["category"]["path"]) == ["toys", "2583"]


def test_an_isolated_item_is_answered_with_the_taxonomy_in_force(bundle: Path, tmp_path: Path) -> None:
    settings = Settings(blob_url=tmp_path.as_uri())
    items = [QueuedItem(0, "pool", title=POOL["title"])]
    taxonomy, use = changed(c2583={"moved_to": "2582"}), PictureUse.WHEN_NEEDED
    (outcome,) = classify_isolated(items, bundle, taxonomy, use, settings, lambda: None)
    assert outcome.guesses[0].code == "2582"
    assert [guess.code for guess in outcome.path] == ["garden"]


def test_a_new_category_is_named_before_its_training(stack: Stack, api: httpx.Client) -> None:
    grown = Taxonomy((*changed().categories, replace(RAKUTEN.by_code["1302"], code="SCOPE", name="Télescopes")))
    put(stack, grown)
    rest = [{"id": f"{word}-{number}", "title": f"{word} {number}"} for word in _OTHERS for number in range(20)]
    classified(api, *rest)
    makers = ("Orion", "Zeiss", "Bresser", "Meade", "Nikon")
    scopes = [{"id": maker, "title": f"Télescope astronomique {maker} avec trépied"} for maker in makers]
    job = api.post("/v1/jobs", json={"items": scopes}).raise_for_status().json()["id"]
    finished(api, f"/v1/jobs/{job}")
    like = {"id": "like", "title": "Télescope astronomique Celestron"}
    before = classified(api, POOL)["pool"]
    decisions = [{"job_id": job, "index": index, "category": "Télescopes", "by": "anna"} for index in range(5)]
    api.post("/v1/decisions", json={"decisions": decisions}).raise_for_status()

    def provisional() -> dict[str, dict[str, Any]] | None:
        found = classified(api, like, POOL)
        return found if found["like"]["provisional"] else None

    wait_for("the category has a column", lambda: has_columns(stack))
    results = wait_for("workers name it", provisional, pause_s=0.5)
    named = results["like"]
    assert (named["category"]["code"], named["needs_review"], named["decided_by"]) == ("SCOPE", True, "model")
    assert codes(named["category"]["path"]) == ["toys", "SCOPE"]
    assert named["branches"]["text"]["code"] == codes(named["alternatives"])[0] != "SCOPE"
    assert (results["pool"]["category"], results["pool"]["provisional"]) == (before["category"], False)
    api.post("/v1/decisions/undo", json={"by": "anna"}).raise_for_status()
    wait_for("four examples are too few", lambda: not has_columns(stack))
    wait_for("workers name it no more", lambda: provisional() is None, pause_s=0.5)


def has_columns(stack: Stack) -> bool:
    with Redis(port=stack.ports.redis) as redis:
        return ProvisionalColumns(redis).version("local") != ""
