"""The API in this process, and jobs whose answers are committed to its ledger."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from shared.ledger import Guess, Ledger, Outcome
from shared.settings import Settings
from shared.stores.decisions import DecisionStore
from tests.http import local_client

SUGGESTED = "10"
"""The category of every result."""

Classified = Callable[..., str]


@pytest.fixture
def settings(redis_port: int, tmp_path: Path) -> Settings:
    url = f"redis://127.0.0.1:{redis_port}"
    return Settings(
        redis_url=f"{url}/0",
        broker_url=f"{url}/1",
        blob_url=(tmp_path / "blobs").as_uri(),
        labels_url=(tmp_path / "labels").as_uri(),
        max_labels=20,
        confirm_on_disk=False,
    )


@pytest.fixture
def api(settings: Settings, redis: Redis) -> Iterator[httpx.Client]:
    with local_client(settings) as client:
        yield client


@pytest.fixture
def store(settings: Settings) -> DecisionStore:
    return DecisionStore(settings.labels_url)


@pytest.fixture
def classified(ledger: Ledger) -> Classified:
    """Makes a job with these items, or that many, all of which need a review; the last ones may have failed."""

    def classify(api: httpx.Client, items: int | list[dict[str, Any]] = 3, failing: int = 0) -> str:
        if isinstance(items, int):
            items = [{"id": f"sku-{index}", "title": f"Livre {index}"} for index in range(items)]
        job = str(api.post("/v1/jobs", json={"items": items}).raise_for_status().json()["id"])
        while (lease := ledger.lease("interactive") or ledger.lease("bulk")) is not None:
            outcomes = [
                Outcome.failed(item, "image_unreadable", "no picture")
                if item.index >= len(items) - failing
                else Outcome(item.index, item.id, guesses=(Guess(SUGGESTED, 0.5),), needs_review=True)
                for item in lease.items
            ]
            ledger.commit(lease, "one", outcomes)
        return job

    return classify


def decide(api: httpx.Client, *decisions: dict[str, Any], key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return api.post("/v1/decisions", json={"decisions": decisions}, headers=headers)


def decided(api: httpx.Client, *decisions: dict[str, Any]) -> Any:
    response = decide(api, *decisions)
    assert response.status_code == 201, response.text
    return response.json()


def undo(api: httpx.Client, count: int = 1, **more: Any) -> list[Any]:
    response = api.post("/v1/decisions/undo", json={"count": count, **more})
    assert response.status_code == 200, response.text
    found: list[Any] = response.json()["undone"]
    return found


def told(api: httpx.Client, **query: Any) -> list[Any]:
    found: list[Any] = api.get("/v1/decisions", params=query).raise_for_status().json()["decisions"]
    return found


def open_items(api: httpx.Client, job: str) -> int:
    return int(api.get(f"/v1/jobs/{job}").raise_for_status().json()["open"])
