"""The client's methods and commands for decisions, against an API process. The test plays the worker."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis
from typer.testing import CliRunner

from catalog_client import AsyncCatalog, Catalog, Decision, ProblemError
from catalog_client.command.app import app
from shared.ledger import Ledger
from shared.settings import ROOT
from stack.processes import free_port
from stack.services import Ports, Stack
from tests.jobs import answered_next, outcomes_of


@pytest.fixture(scope="module")
def url(redis_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    ports = Ports(redis=redis_port, api=free_port(), mlflow=None)
    stack = Stack(ROOT, tmp_path_factory.mktemp("decisions"), ports, {"CATALOG_CONFIRM_ON_DISK": "false"})
    process = stack.start_api()
    yield stack.url
    process.stop()


@pytest.fixture
def catalog(url: str, redis: Redis) -> Iterator[Catalog]:
    with Catalog(url) as catalog:
        yield catalog


@pytest.fixture
def job(catalog: Catalog, ledger: Ledger) -> str:
    """A job of three items, of which two need a review."""
    job = catalog.submit([{"id": f"sku-{index}", "title": "Livre"} for index in range(3)])
    lease = ledger.lease("interactive")
    assert lease is not None
    ledger.commit(lease, "one", outcomes_of(lease, unsure=2))
    return job.id


def test_decisions_are_made_told_and_taken_back(catalog: Catalog, job: str) -> None:
    assert catalog.job(job).open == 2
    summary = catalog.decide(
        [
            Decision(job_id=job, index=0, category=2583, by="ana", took_ms=900),
            Decision(job_id=job, index=1, none_of_these=True, note="a trailer", by="ana"),
            {"job_id": job, "index": 2, "skip": True},
        ]
    )
    assert (summary.accepted, summary.decided, summary.skipped) == (3, 2, 1)
    first, second, third = catalog.results(job)
    assert first.final is not None
    assert (first.final.code, first.final.name, first.decided_by) == ("2583", "Piscines et accessoires", "person")
    assert first.decided_at is not None
    assert (second.final, second.decided_by) == (None, "person")
    assert third.final is not None
    assert (third.final.code, third.decided_by, third.decided_at) == ("10", "model", None)
    assert catalog.job(job).open == 0

    (undone,) = catalog.undo(by="ana")
    assert (undone.job_id, undone.index, undone.decision) == (job, 1, None)
    told = [decision for decision in catalog.decisions() if decision.job_id == job]  # others are in the store, too
    assert [one.kind for one in told] == ["category", "none_of_these", "skip", "undo"]
    assert (told[3].undoes, told[0].item_id) == (told[1].id, "sku-0")
    assert told[0].suggested is not None
    assert told[0].suggested.code == "10"
    assert list(catalog.decisions(since=told[2].cursor)) == told[3:]
    with pytest.raises(ProblemError) as refused:
        catalog.decide([Decision(job_id=job, index=9, skip=True)])
    assert refused.value.kind == "invalid-decisions"


def test_the_client_for_asyncio_does_the_same(url: str, job: str) -> None:
    async def decided() -> list[str]:
        async with AsyncCatalog(url) as catalog:
            await catalog.decide([Decision(job_id=job, index=0, category="40")])
            assert len(await catalog.undo()) == 1
            (card,) = await catalog.next_cards(1, job_id=job)
            assert (card.item.title, await catalog.release()) == ("Livre", 1)
            return [decision.kind async for decision in catalog.decisions() if decision.job_id == job]

    assert asyncio.run(decided()) == ["category", "undo"]


def test_the_command_takes_cards_and_gives_them_back(url: str, job: str) -> None:
    runner = CliRunner()
    cards = runner.invoke(app, ["next", "--job", job, "--by", "zoe", "--url", url])
    assert [json.loads(line)["copies"]["count"] for line in cards.stdout.splitlines()] == [1]
    assert "1 cards given back" in runner.invoke(app, ["release", "--by", "zoe", "--url", url]).output


def test_cards_are_taken_decided_with_their_copies_and_given_back(catalog: Catalog, ledger: Ledger) -> None:
    titles = ("Chemise lin noire M", "Tapis laine", "Chemise lin bleue XL", "Chemise lin 44")
    job = catalog.submit([{"id": f"sku-{index}", "title": title} for index, title in enumerate(titles)])
    lease = ledger.lease("interactive")
    assert lease is not None
    ledger.commit(lease, "one", outcomes_of(lease, unsure=4))
    shirt, rug = catalog.next_cards(job_id=job, by="ana", idempotency_key="k")
    assert [card.index for card in catalog.next_cards(job_id=job, by="ana", idempotency_key="k")] == [0, 1]
    assert (shirt.item.title, shirt.copies.count, [copy.index for copy in shirt.copies.items]) == (titles[0], 2, [2, 3])
    assert (rug.index, rug.copies.items, rug.reserved_until) == (1, (), shirt.reserved_until)
    assert catalog.next_cards(job_id=job, by="ben") == ()
    assert catalog.release([rug], by="ana") == 1
    assert [card.index for card in catalog.next_cards(1, job_id=job.id, minutes=5, by="ben")] == [1]
    assert (catalog.release(by="ben"), catalog.release([(job.id, 1)], by="ben")) == (1, 0)

    summary = catalog.decide([Decision(job_id=job.id, index=0, category="40", copies=True, by="ana")])
    assert (summary.accepted, summary.copies, catalog.job(job).open) == (3, 2, 1)
    told = [decision for decision in catalog.decisions() if decision.job_id == job.id]
    assert [decision.like for decision in told] == [None, told[0].id, told[0].id]
    assert [undone.copies for undone in catalog.undo(by="ana")] == [2]
    catalog.decide([Decision(job_id=job.id, index=0, none_of_these=True, also=((job.id, 3),), by="ana")])
    assert catalog.job(job).open == 2


def test_an_explanation_names_decided_items(catalog: Catalog, url: str, ledger: Ledger) -> None:
    job = catalog.submit([{"id": "old", "title": "Grimoire ancien"}, {"id": "new", "title": "Grimoire ancien doré"}])
    answered_next(ledger)
    catalog.decide([Decision(job_id=job.id, index=0, category=10, by="ana")])
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(answered_next, ledger)
        (near,) = catalog.explain(job, 1).nearest
        answered.result()
        assert (near.title, near.category and near.category.code, near.by) == ("Grimoire ancien", "10", "ana")
        assert 0.25 <= near.similarity < 1
        answered = pool.submit(answered_next, ledger)
        shown = CliRunner().invoke(app, ["explain", job.id, "1", "--url", url], env={"COLUMNS": "200"}).stdout
        answered.result()
    for cell in ("Grimoire ancien", "ana", f"{near.similarity:.2f}"):
        assert cell in shown


@pytest.mark.parametrize("suffix", ["csv", "ndjson"])
def test_the_command_decides_and_tells(url: str, job: str, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"decisions.{suffix}"
    if suffix == "csv":
        file.write_text(f"job_id,index,category,skip\n{job},0,40,\n{job},1,,true\n")
    else:
        file.write_text("\n".join(json.dumps({"job_id": job, "index": index, "category": "40"}) for index in (0, 1)))
    runner = CliRunner()
    sent = runner.invoke(app, ["decide", str(file), "--url", url, "--json"])
    assert (sent.exit_code, json.loads(sent.stdout)["accepted"]) == (0, 2), sent.output
    undone = runner.invoke(app, ["undo", "--count", "2", "--url", url])
    assert [json.loads(line)["index"] for line in undone.stdout.splitlines()] == [1, 0]
    told = runner.invoke(app, ["decisions", "--url", url])
    assert [json.loads(line)["job_id"] for line in told.stdout.splitlines()].count(job) == 4


def test_a_file_that_is_no_ndjson_is_refused(url: str, tmp_path: Path) -> None:
    file = tmp_path / "decisions.ndjson"
    file.write_text("job_id,index\n")
    assert CliRunner().invoke(app, ["decide", str(file), "--url", url]).exit_code == 2
