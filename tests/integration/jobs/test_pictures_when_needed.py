"""Pictures that the model need not look at, through the whole running service."""

import csv
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from benchmarks.bundles import altered
from shared.model.bundle import Bundle
from shared.model.cascade import Cascade
from shared.settings import ROOT
from stack.services import Stack, pick_ports
from tests.pictures import clouds, in_base64, jpeg, saved_again
from tests.waiting import finished
from training.pipeline.layout import STARTER

POOL = "Piscine tubulaire ronde avec pompe de filtration et échelle"
PICTURE = {"base64": in_base64(jpeg("teal"))}
NOWHERE = {"url": "http://127.0.0.1:9/there-is-no-picture.jpg"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder, starter = tmp_path_factory.mktemp("stack"), Bundle.load(ROOT / STARTER)
    cascade = Cascade(threshold=0.5, text=1.0, loss=0.001, skipped=0.9)
    # The golden answers are those of both branches, so they stay.
    bundle = altered(starter, folder / "bundle", cascade=cascade)
    settings = {"CATALOG_MODEL": str(bundle.folder), "CATALOG_TRACK_PREDICTIONS": "false"}
    with (
        Stack(ROOT, folder / "state", pick_ports(mlflow=False, preferred=False), settings) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):
        yield client


def classified(api: httpx.Client, items: list[dict[str, Any]], **options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The job, and its results by id."""
    job = finished(api, api.post("/v1/jobs", json={"items": items, **options}).raise_for_status().json()["url"])
    results = api.get(f"{job['url']}/results").json()["results"]
    return job, {result["id"]: result for result in results}


def test_a_result_says_whether_its_picture_was_looked_at(api: httpx.Client) -> None:
    items: list[dict[str, Any]] = [
        {"id": "sure", "title": POOL, "image": PICTURE},
        {"id": "unsure", "title": "zzz", "image": PICTURE},
        {"id": "picture", "image": PICTURE},
        {"id": "text", "title": POOL},
        {"id": "behind a link", "title": POOL, "image": NOWHERE},
    ]
    job, found = classified(api, items)
    assert job["pictures"] == "when_needed"
    assert {name: result["picture"] for name, result in found.items()} == {
        "sure": "not_looked_at",
        "unsure": "looked_at",
        "picture": "looked_at",
        "text": None,
        "behind a link": "not_looked_at",
    }
    sure = found["sure"]["branches"]
    assert (sure["image"], sure["text_weight"], sure["image_weight"]) == (None, 1.0, 0.0)
    assert found["sure"]["category"]["code"] == "2583"
    rows = csv.DictReader(api.get(f"{job['url']}/results", params={"format": "csv"}).text.splitlines())
    assert {row["id"]: row["picture"] or None for row in rows} == {
        name: result["picture"] for name, result in found.items()
    }


def test_a_job_may_ask_for_every_picture_and_its_retry_does_too(api: httpx.Client) -> None:
    items = [{"id": "sure", "title": POOL, "image": PICTURE}, {"id": "lost", "title": POOL, "image": NOWHERE}]
    job, found = classified(api, items, pictures="always")
    assert job["pictures"] == "always"
    assert (found["sure"]["picture"], found["lost"]["error"]["code"]) == ("looked_at", "image_unreachable")
    again = finished(api, api.post(f"{job['url']}/retry").raise_for_status().json()["url"])
    assert again["pictures"] == "always"
    (result,) = api.get(f"{again['url']}/results").json()["results"]
    assert result["error"]["code"] == "image_unreachable"


def test_answers_with_and_without_the_picture_are_cached_apart(api: httpx.Client) -> None:
    items = [{"id": "twice", "title": f"{POOL} bleue", "image": PICTURE}]
    told = [classified(api, items, pictures=use)[1]["twice"] for use in ("always", "when_needed") * 2]
    assert [(result["picture"], result["cached"]) for result in told] == [
        ("looked_at", False),
        ("not_looked_at", False),
        ("looked_at", True),
        ("not_looked_at", True),
    ]


def test_another_word_for_the_option_is_refused(api: httpx.Client) -> None:
    refused = api.post("/v1/jobs", json={"items": [{"title": POOL}], "pictures": "sometimes"})
    assert refused.status_code == 422
    assert "pictures" in refused.text


def test_the_same_picture_in_other_files_makes_near_copies(api: httpx.Client) -> None:
    picture = clouds(5, 400)
    files = {"large": picture, "small": saved_again(picture, 0.5, 70), "other": clouds(6, 400)}
    items = [{"id": name, "image": {"base64": in_base64(file)}} for name, file in files.items()]
    job, found = classified(api, items)
    assert all(result["needs_review"] for result in found.values())
    cards = api.post("/v1/review/next", json={"job_id": job["id"], "by": "anna"}).raise_for_status().json()["cards"]
    told = [{card["item"]["result"]["id"], *(copy["id"] for copy in card["copies"]["items"])} for card in cards]
    assert sorted(told, key=len) == [{"other"}, {"large", "small"}]
