"""The library against the running service, as a program uses it."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from catalog_client import (
    AsyncCatalog,
    Catalog,
    InputError,
    Item,
    Job,
    Label,
    ProblemError,
    Result,
    TableError,
    WaitTimeoutError,
    webhooks,
)
from shared.words import words
from stack.receiver import WebhookReceiver
from stack.services import Stack
from tests.pictures import jpeg
from tests.waiting import wait_for

TITLES = ("Console de jeux rétro", "Poupée en bois", "Roman policier", "Piscine gonflable")
WAIT_S = 120


@pytest.fixture
def catalog(stack: Stack) -> Iterator[Catalog]:
    with Catalog(stack.url) as catalog:
        yield catalog


def _items() -> list[dict[str, Any]]:
    return [{"id": f"item-{number}", "title": title} for number, title in enumerate(TITLES)]


def _results(catalog: Catalog, job: Job) -> list[Result]:
    ended = catalog.wait(job, timeout_s=WAIT_S)
    assert (ended.state, ended.counts.succeeded) == ("completed", ended.counts.total)
    return sorted(catalog.results(job), key=lambda result: result.index)


def test_a_list_of_items_comes_back_as_typed_results(catalog: Catalog) -> None:
    seen: list[Job] = []
    job = catalog.submit(_items())
    assert (job.ended, job.counts.total) == (False, len(TITLES))
    ended = catalog.wait(job.id, timeout_s=WAIT_S, progress=seen.append)
    assert ended == seen[-1]
    assert ended.finished_at is not None
    assert ended.created_at is not None
    assert ended.created_at <= ended.finished_at
    results = _results(catalog, job)
    assert [result.id for result in results] == [item["id"] for item in _items()]
    first = results[0]
    assert first.category is not None
    assert first.branches is not None
    assert (first.status, first.error, first.branches.image) == ("succeeded", None, None)
    assert 0 < first.category.confidence <= 1
    assert first.document["category"]["code"] == first.category.code
    assert ended.bundles == {first.bundle: len(TITLES)}


def test_items_come_from_generators_functions_and_objects(catalog: Catalog) -> None:
    def generated() -> Iterator[Item]:
        yield from (Item(id=item["id"], title=item["title"]) for item in _items())

    from_generator, from_function = catalog.submit(generated()), catalog.submit(generated)
    assert from_generator.id != from_function.id
    assert [r.id for r in _results(catalog, from_generator)] == [r.id for r in _results(catalog, from_function)]


def test_pictures_are_bytes_paths_and_names_in_a_folder(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "là.jpg").write_bytes(jpeg("purple"))
    items: list[Any] = [
        Item(image=jpeg("purple")),
        Item(image=tmp_path / "là.jpg"),
        Item(image="là.jpg"),
        {"image": {"file": "là.jpg"}},
    ]
    results = _results(catalog, catalog.submit(items, pictures=tmp_path))
    assert len({result.category and result.category.code for result in results}) == 1
    assert all(result.branches and result.branches.image for result in results)


def test_a_picture_s_url_is_fetched_by_a_worker(catalog: Catalog, picture_site: str) -> None:
    (result,) = _results(catalog, catalog.submit([Item(image=f"{picture_site}/there.jpg")]))
    assert result.branches is not None
    assert result.branches.image is not None


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"image": "a.jpg"}, "say in which folder it lies"),
        ({"image": 7}, "and no int"),
        ({"image": Path("/nowhere/a.jpg")}, "No such file"),
        ({"title": object()}, "a object cannot be sent"),
        ("Console", "neither an Item, a Label nor a mapping"),
    ],
)
def test_what_cannot_be_sent_is_named(catalog: Catalog, item: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"item 1: .*{message}"):
        catalog.submit([{"title": "Livre"}, item])


def test_a_name_does_not_lead_out_of_the_pictures_folder(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    (tmp_path / "pictures").mkdir()
    for name in ("../secret.jpg", str(tmp_path / "secret.jpg")):
        with pytest.raises(InputError, match="lies outside"):
            catalog.submit([{"image": name}], pictures=tmp_path / "pictures")


def test_a_frame_s_index_names_the_results(catalog: Catalog) -> None:
    frame = pd.DataFrame({"title": [*TITLES, None], "description": [None, "En bois", float("nan"), pd.NA, "Un livre"]})
    frame.index = pd.Index([10, 20, 30, 40, 50])
    results = _results(catalog, catalog.submit(frame))
    frame["code"] = pd.Series({int(result.id): result.category.code for result in results if result.category})
    assert frame["code"].notna().all()


def test_a_frame_of_the_challenge_is_read_as_its_table_is(catalog: Catalog, tmp_path: Path) -> None:
    table = tmp_path / "X_test.csv"
    table.write_text(",designation,description,productid,imageid\n7,Livre,,11,22\n8,Jeu,En bois,12,23\n")
    (tmp_path / "image_22_product_11.jpg").write_bytes(jpeg())
    from_table = _results(catalog, catalog.submit(table, pictures=tmp_path))
    from_frame = _results(catalog, catalog.submit(pd.read_csv(table, index_col=0), pictures=tmp_path))
    assert [result.id for result in from_frame] == [result.id for result in from_table] == ["7", "8"]
    assert from_frame[0].branches is not None
    assert from_frame[0].branches.image is not None


def test_a_frame_with_other_columns_is_refused(catalog: Catalog) -> None:
    with pytest.raises(InputError, match=r"columns \['name'\]"):
        catalog.submit(pd.DataFrame({"name": ["Livre"]}))


def test_a_table_names_its_line(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("id,title,image\na,A,missing.jpg\n")
    with pytest.raises(TableError, match=r"items\.csv, line 2: picture .*missing\.jpg"):
        catalog.submit(tmp_path / "items.csv", pictures=tmp_path)


def test_results_are_paged_and_filtered(catalog: Catalog) -> None:
    job = catalog.submit(_items())
    catalog.wait(job, timeout_s=WAIT_S)
    pages = list(catalog.pages(job, limit=3))
    ids = [result.id for page in pages for result in page.results]
    assert ids == [result.id for result in catalog.results(job)]
    assert pages[-1].complete
    rest = catalog.page(job, cursor=pages[0].next_cursor)
    assert [result.id for result in rest.results] == ids[len(pages[0].results) :]
    assert list(catalog.results(job, status="failed")) == []


def test_jobs_are_listed_in_as_many_pages_as_it_takes(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [catalog.submit(_items()).id for _ in range(5)][::-1]
    assert [job.id for job in catalog.jobs(limit=5)] == jobs
    monkeypatch.setattr("catalog_client._calls._JOBS_A_PAGE", 2)
    assert [job.id for job in catalog.jobs(limit=5)] == jobs
    assert [job.id for job in catalog.jobs(limit=3)] == jobs[:3]
    for job in jobs:
        catalog.wait(job, timeout_s=WAIT_S)
    listed = catalog.jobs(limit=5, state="completed")
    assert [job.id for job in listed] == jobs
    assert (listed[0].counts.succeeded, listed[0].queue) == (len(TITLES), None)
    assert not {job.id for job in catalog.jobs(limit=100, state=("queued", "running"))} & {*jobs}
    with pytest.raises(ProblemError, match="limit"):
        catalog.jobs(limit=0)


def test_jobs_are_found_by_name_metadata_and_time(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog_client._calls._JOBS_A_PAGE", 2)
    season = {"season": "printemps", "shop": "Angoulême & fils"}  # no other test names it
    jobs = [catalog.submit(_items(), name=f"Été {number}", metadata=season) for number in range(5)][::-1]
    other = catalog.submit(_items())
    assert (jobs[0].name, jobs[0].metadata, other.name, other.metadata) == ("Été 4", season, None, {})
    ids = [job.id for job in jobs]
    assert [job.id for job in catalog.all_jobs(q="ete angouleme")] == ids
    assert [job.id for job in catalog.jobs(q="ete", metadata=season, limit=3)] == ids[:3]
    assert list(catalog.all_jobs(metadata={"season": "print"})) == []
    since = jobs[1].created_at
    assert since is not None
    assert [job.id for job in catalog.all_jobs(created_after=since, metadata=season)] == ids[:2]
    local = since.astimezone().replace(tzinfo=None)
    assert [job.id for job in catalog.all_jobs(created_before=local, q="ETE", metadata=season)] == ids[2:]
    with pytest.raises(ProblemError, match="metadata"):
        catalog.submit(_items(), metadata={"a": "b" * 513})


def test_items_are_listed_with_what_was_sent(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog_client._calls._ITEMS_A_PAGE", 3)
    picture = jpeg("green")
    job = catalog.submit([*_items(), {"id": "seen", "title": "Épée en bois", "image": picture}])
    results = _results(catalog, job)
    items = list(catalog.items(job))
    assert [(item.title, item.result.index) for item in items] == [
        *zip(TITLES, range(len(TITLES)), strict=True),
        ("Épée en bois", len(TITLES)),
    ]
    assert [item.result.category for item in items] == [result.category for result in results]
    assert catalog.picture(job, len(TITLES)) == picture
    assert [item.result.id for item in catalog.items(job, q="epee", branches_disagree=None)] == ["seen"]
    unsure = [result.index for result in results if result.needs_review]
    found = [item.result.index for item in catalog.items(job, needs_review=True, order="least_sure")]
    assert sorted(found) == unsure
    why = catalog.explain(job, 0)
    assert (why.category.code, why.bundle) == (results[0].category and results[0].category.code, results[0].bundle)
    assert [word.word for word in why.words] == words(TITLES[0])
    predicted = catalog.predict(TITLES[0], explain=True)
    assert predicted.explanation is not None
    assert predicted.explanation.words == why.words


def test_a_problem_says_what_is_wrong_with_which_item(catalog: Catalog) -> None:
    with pytest.raises(ProblemError, match=r"item 1, line 2 \(id b\)") as refused:
        catalog.submit([{"id": "a", "title": "A"}, {"id": "b"}])
    problem = refused.value
    assert (problem.status, problem.errors[0]["id"]) == (422, "b")
    assert problem.kind == problem.document["type"].rpartition(":")[2]
    with pytest.raises(ProblemError, match="There is no job nope") as absent:
        catalog.job("nope")
    assert (absent.value.status, absent.value.kind) == (404, "job-not-found")
    skipping = catalog.submit([{"id": "a", "title": "A"}, {"id": "b"}], on_invalid="skip")
    assert catalog.wait(skipping, timeout_s=WAIT_S).counts.invalid == 1


def test_a_job_may_have_every_picture_looked_at(catalog: Catalog) -> None:
    items = [{"id": "a", "title": "Piscine"}]
    assert catalog.submit(items).pictures == "when_needed"
    job = catalog.submit(items, all_pictures=True)
    assert job.pictures == "always"
    (result,) = catalog.results(catalog.wait(job, timeout_s=WAIT_S))
    assert result.picture is None, "it has none"


def test_a_title_with_half_a_character_is_the_service_s_to_judge(catalog: Catalog) -> None:
    with pytest.raises(ProblemError, match="id b"):
        catalog.submit([{"id": "a", "title": "A"}, {"id": "b", "title": "\ud83d"}])


def test_an_id_leads_to_no_other_route(catalog: Catalog) -> None:
    with pytest.raises(ProblemError) as absent:
        catalog.job("../models")
    assert absent.value.status == 404


def test_a_cancelled_job_lists_what_was_not_classified_and_keeps_only_its_ids(catalog: Catalog) -> None:
    job = catalog.submit([{"title": f"Livre {number}"} for number in range(3000)])
    cancelled = catalog.cancel(job)
    assert cancelled.state == "cancelled"
    assert cancelled.counts.cancelled > 0
    listed = [result for result in catalog.results(job) if result.status == "cancelled"]
    assert len(listed) == cancelled.counts.cancelled
    with pytest.raises(ProblemError, match="send the other items again") as gone:
        catalog.retry(job, "cancelled")
    assert gone.value.kind == "nothing-to-retry"


def test_a_wait_has_an_end(catalog: Catalog) -> None:
    job = catalog.submit([{"title": f"Roman {number}"} for number in range(3000)])
    with pytest.raises(WaitTimeoutError, match="has not ended within 0 s") as late:
        catalog.wait(job, timeout_s=0)
    assert late.value.record.id == job.id
    catalog.cancel(job)


def test_the_same_key_leads_to_the_same_job(catalog: Catalog) -> None:
    first, again = (catalog.submit(_items(), idempotency_key="orders-2024-05-01") for _ in range(2))
    assert first == again
    assert catalog.submit(_items()).id != first.id


def test_one_product_is_classified_at_once(catalog: Catalog) -> None:
    prediction = catalog.predict("Poupée en bois", image=jpeg())
    assert prediction.result.category is not None
    assert str(prediction.category_id) == prediction.result.category.code
    with pytest.raises(InputError, match="fetches no URL"):
        catalog.predict(image="https://example.com/a.jpg")


def test_labels_are_sent_and_counted(catalog: Catalog) -> None:
    job = catalog.submit(_items())
    results = _results(catalog, job)
    codes = [result.category.code for result in results if result.category]
    before = catalog.label_counts().labels
    confirmed = catalog.send_labels([Label(job_id=job.id, item_id=results[0].id, code=codes[0], by="ana")])
    assert (confirmed.accepted, confirmed.confirmations) == (1, 1)
    frame = pd.DataFrame({"code": codes[1:3]}, index=[result.id for result in results[1:3]])
    assert catalog.send_labels(frame, job_id=job.id).confirmations == 2
    assert catalog.label_counts().labels == before + 3


def test_a_training_names_a_source_of_the_operators(catalog: Catalog) -> None:
    assert catalog.training_sources() == ()
    with pytest.raises(ProblemError, match="there is no source 'spring'") as raised:
        catalog.train(source="spring", unlabelled=["texts"])
    assert [error["pointer"] for error in raised.value.document["errors"]] == ["/source", "/unlabelled/0"]


def test_a_training_is_asked_for_and_cancelled(catalog: Catalog) -> None:
    training = catalog.train({"train": {"text": {"epochs": 1}}}, promote="never")
    assert training.params == {"train": {"text": {"epochs": 1}}}
    assert training.id in [known.id for known in catalog.trainings(limit=5)]
    assert catalog.cancel_training(training).state == "cancelled"
    assert catalog.wait_training(training, timeout_s=WAIT_S).ended
    assert catalog.training_log(training) == "\n"


def test_models_drift_and_health_are_read(catalog: Catalog) -> None:
    _results(catalog, catalog.submit(_items()))
    health = catalog.health()
    assert health.bundles
    assert catalog.models().name
    drift = catalog.drift(days=1)
    assert {known.bundle for known in drift.bundles} >= set(health.bundles)
    with pytest.raises(ProblemError) as absent:
        catalog.promote(999)
    assert absent.value.status == 404


def test_a_webhook_is_verified_end_to_end(catalog: Catalog, stack: Stack) -> None:
    with WebhookReceiver(stack.webhook_secret) as receiver:
        job = catalog.submit(_items(), webhook_url=receiver.url)
        receiver.received.get(timeout=WAIT_S)
        headers, body = receiver.requests[0]
        event = webhooks.verify(body, headers, stack.webhook_secret)
        assert (event.type, event.kind, event.data.id) == ("job.completed", "job", job.id)
        assert event.data.counts == catalog.job(job).counts
        assert event.timestamp == catalog.job(job).finished_at
        with pytest.raises(webhooks.WebhookError):
            webhooks.verify(body + b" ", headers, stack.webhook_secret)

        def delivered() -> bool:
            return catalog.deliveries(job).state == "delivered"

        wait_for("the service knows it", delivered)
        catalog.redeliver(job)
        receiver.received.get(timeout=WAIT_S)
        again = webhooks.verify(receiver.requests[1][1], receiver.requests[1][0], stack.webhook_secret)
        assert again.id == event.id


def test_the_asynchronous_client_does_the_same(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog_client._calls._JOBS_A_PAGE", 2)

    submitted = set[str]()

    async def generated() -> AsyncIterator[Item]:
        for item in _items():
            yield Item(id=item["id"], title=item["title"])

    async def classified(catalog: AsyncCatalog, items: Any) -> list[str]:
        seen: list[Job] = []
        job = await catalog.submit(items)
        submitted.add(job.id)
        ended = await catalog.wait(job, timeout_s=WAIT_S, progress=seen.append)
        assert ended.state == "completed"
        assert seen[-1] == ended
        paged = [result.id async for page in catalog.pages(job, limit=3) for result in page.results]
        streamed = [result.id async for result in catalog.results(job)]
        assert streamed == paged
        return sorted(streamed)

    async def run() -> None:
        table = tmp_path / "items.ndjson"
        table.write_text("".join(json.dumps(item) + "\n" for item in _items()))
        async with AsyncCatalog(stack.url) as catalog:
            sources = (generated(), _items(), iter(_items()), table, pd.DataFrame(_items()))
            together = await asyncio.gather(*(classified(catalog, source) for source in sources))
            assert all(one == other for one, other in itertools.pairwise(together))
            listed = await catalog.jobs(limit=len(sources), state="completed")
            assert {job.id for job in listed} == submitted
            named = await catalog.submit(_items(), name="Asynchron", metadata={"way": "async"})
            assert [job.id async for job in catalog.all_jobs(q="asynchron", metadata={"way": "async"})] == [named.id]
            await catalog.wait(named)
            assert [item.title async for item in catalog.items(named)] == list(TITLES)
            assert (await catalog.explain(named, 0)).words
            prediction = await catalog.predict("Poupée en bois")
            assert prediction.result.category is not None
            with pytest.raises(ProblemError, match="There is no job nope"):
                await catalog.job("nope")
            with pytest.raises(ProblemError, match="There is no job nope"):
                _ = [result async for result in catalog.results("nope")]
            assert (await catalog.health()).bundles

    asyncio.run(run())
