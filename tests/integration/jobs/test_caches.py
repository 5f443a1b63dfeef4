"""A catalogue sent again, through the whole running service: what is known is not computed again."""

import csv
import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.model.bundle import Bundle
from shared.settings import ROOT
from stack.services import Stack, pick_ports
from tests.bundles import another
from tests.pictures import clouds, in_base64, jpeg
from tests.waiting import finished, wait_for
from training.pipeline.layout import STARTER
from worker.classify.caches import FeatureCache, backbone_key

Items = list[dict[str, Any]]
Results = dict[str, dict[str, Any]]

LIMIT = 1000


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, features: Path) -> Iterator[Stack]:
    settings = {
        "CATALOG_MODEL": str(ROOT / STARTER),
        "CATALOG_RUNTIME": "openvino",  # `auto` measures, and might choose another one for the next worker
        "CATALOG_TRACK_PREDICTIONS": "false",
        "CATALOG_CACHED_PREDICTIONS": str(LIMIT),
        "CATALOG_CACHED_FEATURES": str(LIMIT),
        "CATALOG_FEATURE_CACHE": str(features),
    }
    ports = pick_ports(mlflow=False, preferred=False)
    with Stack(ROOT, tmp_path_factory.mktemp("stack"), ports, settings) as running:
        yield running


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The starter model with another fusion: another version over the same backbone."""
    return another(Bundle.load(ROOT / STARTER), tmp_path_factory.mktemp("retrained") / "bundle")


@contextmanager
def worker(stack: Stack, api: httpx.Client, settings: Mapping[str, str]) -> Iterator[None]:
    """A worker with further settings in place of the usual one."""
    _replace_worker(stack, api, settings)
    yield
    _replace_worker(stack, api, {})


def _replace_worker(stack: Stack, api: httpx.Client, settings: Mapping[str, str]) -> None:
    stack.worker.stop()
    wait_for("it says goodbye", lambda: not api.get("/health").json()["workers"])
    stack.start_worker(settings=settings)
    wait_for("the model is served", stack.serves)


def picture(seed: int) -> dict[str, str]:
    return {"base64": in_base64(clouds(seed, 224))}


def sha256(seed: int) -> str:
    return hashlib.sha256(clouds(seed, 224)).hexdigest()


def classified(api: httpx.Client, items: Items) -> Results:
    job = finished(api, api.post("/v1/jobs", json={"items": items}).raise_for_status().json()["url"])
    page = api.get(job["results_url"], params={"limit": 1000}).raise_for_status().json()
    assert len(page["results"]) == len(items)
    return {result["id"]: result for result in page["results"]}


def said(results: Results) -> Results:
    """Everything but whether it is an earlier answer, and where it stands."""
    return {name: {**result, "cached": None, "index": None} for name, result in results.items()}


def catalogue(what: str) -> Items:
    """30 items with text, pictures or both, which no other test has sent."""
    items: Items = [{"id": str(i), "title": f"{what} numéro {i}"} for i in range(20)]
    items += [{"id": str(i), "title": f"{what} numéro {i}", "image": picture(100 + i)} for i in range(20, 26)]
    return items + [{"id": str(i), "description": what, "image": picture(100 + i)} for i in range(26, 30)]


def test_resubmitted_catalogue_computes_only_its_changes(api: httpx.Client) -> None:
    items = catalogue("Piscine gonflable")
    first = classified(api, items)
    assert not any(result["cached"] for result in first.values())
    items[3]["title"] = "Piscine gonflable ronde"
    items[21]["image"] = picture(200)
    del items[28]["description"]
    items = [{"id": "new", "title": "Poupée en bois"}, *items]
    again = classified(api, items)
    changed = {"new", "3", "21", "28"}
    assert {name for name, result in again.items() if not result["cached"]} == changed
    kept = first.keys() - changed
    assert {name: said(again)[name] for name in kept} == {name: said(first)[name] for name in kept}
    assert all(result["cached"] for result in classified(api, items).values())


def test_items_with_a_picture_url_are_not_cached(api: httpx.Client, picture_site: str) -> None:
    sent: Items = [{"id": "a", "title": "Sac violet", "image": {"base64": in_base64(jpeg("purple", (100, 100)))}}]
    fetched: Items = [{"id": "a", "title": "Sac violet", "image": {"url": f"{picture_site}/there.jpg"}}]
    answers = [classified(api, items) for items in (sent, fetched, fetched)]
    assert [answer["a"]["cached"] for answer in answers] == [False, False, False]
    assert said(answers[0]) == said(answers[1]) == said(answers[2]), "its features are known by the picture's bytes"


def test_failed_items_are_not_cached(api: httpx.Client) -> None:
    items: Items = [
        {"id": "bad", "title": "Chaise", "image": {"base64": in_base64(b"no picture")}},
        {"id": "blank", "title": "!!! ???"},
        {"id": "good", "title": "Chaise pliante en bois"},
    ]
    assert not any(result["cached"] for result in classified(api, items).values())
    again = classified(api, items)
    assert {name: (result["status"], result["cached"]) for name, result in again.items()} == {
        "bad": ("failed", False),
        "blank": ("failed", False),
        "good": ("succeeded", True),
    }


def test_predict_says_whether_the_answer_is_cached(api: httpx.Client) -> None:
    asked = {"description": "Une lampe de chevet en laiton"}
    first, again = (api.post("/predict", json=asked).raise_for_status().json()["result"] for _ in range(2))
    assert (first["cached"], again["cached"]) == (False, True)
    assert first["category"] == again["category"]


def test_client_reports_the_number_of_cached_answers(stack: Stack, tmp_path: Path) -> None:
    table, output = tmp_path / "items.csv", tmp_path / "results.csv"
    table.write_text("id,title\n1,Console de jeux\n2,Manette de jeux\n")
    options = ("--output", str(output), "--url", stack.url)
    command = [sys.executable, "-m", "catalog_client", "submit", str(table), *options]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "earlier answers" not in first.stderr
    table.write_text("id,title\n1,Console de jeux\n2,Manette de jeux rouge\n")
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1 are earlier answers to the same items" in again.stderr
    with output.open(newline="") as file:
        assert [row["cached"] for row in csv.DictReader(file)] == ["true", "false"]


def test_new_bundle_reuses_cached_features_but_no_predictions(
    stack: Stack, api: httpx.Client, features: Path, retrained: Bundle
) -> None:
    known: Items = [{"id": "known", "image": picture(1)}]
    before = classified(api, known)
    planted_key = backbone_key(retrained, api.get("/health").json()["workers"][0]["runtime"])
    with closing(FeatureCache(features, planted_key, LIMIT)) as cache:
        # Under the name of a picture that was never sent: an answer with them shows that the picture was not read.
        cache.put(sha256(2), wait_for("the features are kept", lambda: _found(cache, 1))[0])
    with worker(stack, api, {"CATALOG_MODEL": str(retrained.folder)}):
        new: Items = [{"id": "planted", "image": picture(2)}, {"id": "unknown", "image": picture(3)}]
        after = classified(api, known + new)
        assert {result["bundle"] for result in after.values()} == {retrained.id}
        assert not any(result["cached"] for result in after.values())
        assert after["known"]["branches"]["image"] == before["known"]["branches"]["image"]
        assert after["known"]["category"] != before["known"]["category"]
        assert after["planted"]["branches"] == after["known"]["branches"]
        assert after["unknown"]["branches"] != after["known"]["branches"]
        assert all(result["cached"] for result in classified(api, known + new).values())


def _found(cache: FeatureCache, seed: int) -> list[Any]:
    """In a list: an array is neither true nor false."""
    found = cache.get(sha256(seed))
    return [] if found is None else [found]


def test_a_worker_whose_caches_are_off_computes_everything(stack: Stack, api: httpx.Client) -> None:
    items = catalogue("Livre ancien")
    first = classified(api, items)
    with worker(stack, api, {"CATALOG_CACHED_PREDICTIONS": "0", "CATALOG_CACHED_FEATURES": "0"}):
        again = [classified(api, items) for _ in range(2)]
    assert not any(result["cached"] for results in again for result in results.values())
    assert said(again[0]) == said(again[1]) == said(first)
