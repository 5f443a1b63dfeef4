"""The API of the tests of decisions, and jobs whose answers a test chooses."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import httpx
import pytest
from redis import Redis

from shared.ledger import Guess, Ledger, Outcome
from tests.integration.decisions.conftest import api, settings, store

__all__ = ["api", "settings", "store", "waiting"]


class Answered(NamedTuple):
    """An item, and what the model says of it."""

    title: str | None
    confidence: float = 0.5
    code: str = "10"
    needs_review: bool = True
    image: dict[str, str] | None = None
    look: int = 0


Waiting = Callable[..., str]


@pytest.fixture
def waiting(ledger: Ledger, redis: Redis) -> Waiting:
    """Makes a job of these items."""

    def make(api: httpx.Client, *items: Answered | str) -> str:
        return job_of(api, ledger, [item if isinstance(item, Answered) else Answered(item) for item in items])

    return make


def job_of(api: httpx.Client, ledger: Ledger, items: Sequence[Answered]) -> str:
    sent = [
        {"id": f"sku-{index}", **{name: value for name, value in item._asdict().items() if value and name in _SENT}}
        for index, item in enumerate(items)
    ]
    job = str(api.post("/v1/jobs", json={"items": sent}).raise_for_status().json()["id"])
    while (lease := ledger.lease("interactive") or ledger.lease("bulk")) is not None:
        answers = [(one, items[one.index]) for one in lease.items]
        outcomes = [
            Outcome(
                one.index,
                one.id,
                guesses=(Guess(item.code, item.confidence),),
                needs_review=item.needs_review,
                look=item.look,
            )
            for one, item in answers
        ]
        ledger.commit(lease, "one", outcomes)
    return job


_SENT = ("title", "image")


def taken(api: httpx.Client, by: str = "anna", **options: Any) -> list[Any]:
    response = api.post("/v1/review/next", json={"by": by, **options})
    assert response.status_code == 200, response.text
    cards: list[Any] = response.json()["cards"]
    return cards


def places(cards: Sequence[Any]) -> list[list[int]]:
    """The positions of each card's item and of its copies."""
    return [[card["index"], *(copy["index"] for copy in card["copies"]["items"])] for card in cards]


def released(api: httpx.Client, by: str = "anna", **options: Any) -> int:
    response = api.post("/v1/review/release", json={"by": by, **options})
    assert response.status_code == 200, response.text
    return int(response.json()["released"])
