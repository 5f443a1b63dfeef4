"""`catalog promise` and the library's method against the API as a process; the test plays worker and housekeeper."""

import asyncio
import json
from collections.abc import Iterator
from datetime import date

import httpx
import pytest
from redis import Redis
from typer.testing import CliRunner

from catalog_client import AsyncCatalog, Catalog, Decision, Promise
from catalog_client.command.app import app
from shared.ledger import AuditKind, Guess, Ledger, ModelPromise, Outcome, Promises, ThresholdMove
from shared.settings import ROOT
from shared.stores.taxonomy_in_force import PublishedBundle, PublishedTaxonomies
from shared.taxonomy import RAKUTEN
from stack.processes import free_port
from stack.services import Ports, Stack

BUNDLE, OWN = "one", 0.8
REASON = "[b]too few[/b] were right"


@pytest.fixture(scope="module")
def url(redis_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    ports = Ports(redis=redis_port, api=free_port(), mlflow=None)
    stack = Stack(ROOT, tmp_path_factory.mktemp("promise"), ports, {"CATALOG_CONFIRM_ON_DISK": "false"})
    process = stack.start_api()
    yield stack.url
    process.stop()


@pytest.fixture
def served(redis: Redis) -> None:
    """A model in service that promises something."""
    PublishedTaxonomies(redis, 90).publish(PublishedBundle(BUNDLE, RAKUTEN, ("10", "40")), taken_over=True)
    Promises(redis).publish(ModelPromise(BUNDLE, 0.95, OWN))


def _told(url: str, *options: str) -> str:
    ran = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["promise", *options, "--url", url])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def _audited(catalog: Catalog, ledger: Ledger) -> None:
    """Have a person look at three accepted answers, of which two are right."""
    job = catalog.submit([{"id": str(number), "title": "Livre"} for number in range(3)])
    lease = ledger.lease("interactive")
    assert lease is not None
    outcomes = [
        Outcome(item.index, item.id, guesses=(Guess("10", 0.9),), sure=1, audited=AuditKind.DRAWN)
        for item in lease.items
    ]
    ledger.commit(lease, BUNDLE, outcomes)
    codes = ("10", "10", "40")
    catalog.decide([Decision(job_id=job.id, index=index, category=code) for index, code in enumerate(codes)])


def test_a_promise_is_told_with_its_bound_and_the_moves_of_its_threshold(
    url: str, served: None, redis: Redis, ledger: Ledger
) -> None:
    assert "none is audited yet" in _told(url)
    with Catalog(url) as catalog:
        _audited(catalog, ledger)
        Promises(redis).move("local", ThresholdMove(OWN, 0.875, REASON, BUNDLE), pinned=False)
        found = catalog.promise()
    assert (found.promised, found.bundle, found.threshold, found.pinned) == (0.95, BUNDLE, 0.875, False)
    assert (found.precision.audited, found.precision.right) == (3, 2)
    assert 0 < found.precision.at_least < 2 / 3 < found.precision.at_most <= 1
    ((category,), (week,), (move,)) = found.by_category, found.by_week, found.moves
    assert (category.code, category.audited, week.right) == ("10", 3, 2)
    assert isinstance(week.week, date)
    assert (move.before, move.after, move.reason, move.by) == (OWN, 0.875, REASON, None)

    told = _told(url)
    assert found.says in told
    assert "3 audited ones of which 2 were right; 95% is promised" in told
    assert (
        "from the confidence 0.875 on (the service moves it between 0.650 and 0.990; the model's own is 0.800)" in told
    )
    assert f"Answers since {found.since} count: 3 audited" in told
    (line,) = [line for line in told.splitlines() if REASON in line]
    assert [*map(line.count, ("0.800", "0.875", "the service"))] == [1, 1, 1]
    assert json.loads(_told(url, "--json")) == found.document

    pinned = httpx.put(f"{url}/v1/promise", json={"threshold": 0.7, "reason": "the season begins"})
    assert pinned.status_code == 200
    told = _told(url)
    assert "from the confidence 0.700 on (somebody has pinned it; the model's own is 0.800)" in told
    assert "the season begins" in told


def test_asyncio_has_the_same_also_before_a_model_serves(url: str, redis: Redis) -> None:
    async def found() -> Promise:
        async with AsyncCatalog(url) as catalog:
            return await catalog.promise()

    promise = asyncio.run(found())
    assert (promise.promised, promise.threshold, promise.state, promise.moves) == (None, None, "open", ())
    told = _told(url)
    assert "nothing is promised" in told
    assert "confidence" not in told
