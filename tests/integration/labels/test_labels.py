"""Labels over HTTP. The test plays the worker, on the same ledger: so it decides what the model has said."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from api.labels.index import LabelIndex
from shared.drift import Drift
from shared.ledger import Ledger
from shared.settings import Settings
from shared.stores.blobs import Blobs
from shared.stores.labels import Label, LabelKind, LabelStore
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of, local_client
from tests.jobs import outcomes_of
from tests.pictures import in_base64, jpeg
from tests.redis_state import as_an_older_release_counted, claims, expire_results, lose_part

SAID = "10"  # what `outcomes_of` has the model say of every item


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
def store(settings: Settings) -> LabelStore:
    return LabelStore(settings.labels_url)


def _send(api: httpx.Client, *labels: dict[str, Any], key: str | None = None, **options: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return api.post("/v1/labels", json={"labels": labels, **options}, headers=headers)


def _accepted(api: httpx.Client, *labels: dict[str, Any]) -> Any:
    response = _send(api, *labels)
    assert response.status_code == 201, response.text
    return response.json()


def _classified(api: httpx.Client, ledger: Ledger, items: list[dict[str, Any]], failing: int = 0) -> str:
    """A job of which everything is done."""
    job = api.post("/v1/jobs", json={"items": items}).raise_for_status().json()
    lease = ledger.lease("interactive")
    assert lease is not None
    ledger.commit(lease, "v1", outcomes_of(lease, failing))
    return str(job["id"])


def _errors(response: httpx.Response) -> list[tuple[int, str, str]]:
    assert response.status_code == 422, response.text
    assert response.json()["type"].endswith("invalid-labels")
    return [(error["index"], error["pointer"], error["code"]) for error in response.json()["errors"]]


# What is kept


def test_labels_of_items_are_kept_with_who_and_when(api: httpx.Client, store: LabelStore, ledger: Ledger) -> None:
    picture = jpeg("red", (8, 8))
    said = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    before = ledger.now()
    out = _accepted(
        api,
        {
            "title": " Piscine ronde ",
            "image": {"base64": in_base64(picture)},
            "code": 2583,
            "by": "anna",
            "at": said.isoformat(),
        },
        {"description": "Livre", "code": 10},
    )
    assert (out["accepted"], out["corrections"], out["confirmations"], out["conflicts"]) == (2, 0, 0, 0)
    pool, book = store.labels()
    assert (pool.title, pool.code, pool.by, pool.at, pool.kind) == ("Piscine ronde", "2583", "anna", said, None)
    assert store.picture(str(pool.picture)) == picture
    assert (book.description, book.by, book.tenant) == ("Livre", "local", "local")
    assert before - 0.01 <= book.at.timestamp() <= ledger.now()


def test_a_label_of_a_result_brings_its_item(
    api: httpx.Client, store: LabelStore, ledger: Ledger, redis: Redis
) -> None:
    picture = jpeg("blue", (8, 8))
    items: list[dict[str, Any]] = [
        {"id": "a", "title": "Lampe", "image": {"base64": in_base64(picture)}},
        {"id": "b", "title": "Livre"},
        {"id": "c", "title": "Console"},
    ]
    job = _classified(api, ledger, items, failing=1)
    out = _accepted(
        api, *({"job_id": job, "item_id": item, "code": code} for item, code in (("a", 40), ("b", 40), ("c", SAID)))
    )
    assert (out["accepted"], out["corrections"], out["confirmations"]) == (3, 1, 1)
    lamp, book, console = store.labels()
    assert (lamp.title, lamp.kind, lamp.guess) == ("Lampe", None, None), "the model had no answer"
    assert store.picture(str(lamp.picture)) == picture
    assert (book.title, book.kind, book.guess, book.bundle) == ("Livre", LabelKind.CORRECTION, SAID, "v1")
    assert (console.kind, console.confidence, console.job, console.item) == (LabelKind.CONFIRMATION, 0.9, job, "c")
    (drift,) = Drift(redis, 90).read()
    assert (drift.bundle, drift.days[-1].labels.items, drift.days[-1].labels.right) == ("v1", 2, 1), "drift is told"


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/x-ndjson", b'{"title": "Livre", "code": 10}\n\n{"title": "Lampe", "code": 2060, "by": "anna"}\n'),
        ("text/csv", b"title;code;by\nLivre;10;\nLampe;2060;anna\n"),
        ("application/json", b'[{"title": "Livre", "code": 10}, {"title": "Lampe", "code": "2060", "by": "anna"}]'),
    ],
)
def test_labels_agree_in_every_form(api: httpx.Client, store: LabelStore, media_type: str, body: bytes) -> None:
    response = api.post("/v1/labels", content=body, headers={"Content-Type": media_type})
    assert response.status_code == 201, response.text
    assert [(label.title, label.code, label.by) for label in store.labels()] == [
        ("Livre", "10", "local"),
        ("Lampe", "2060", "anna"),
    ]


# What is wrong


def _invalid_labels(job: str) -> list[tuple[dict[str, Any], str, str]]:
    """Labels that cannot be accepted, each with the pointer below it and the code of its error."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    return [
        ({"title": "Livre", "code": 11}, "/code", "unknown_category"),
        ({"title": "Livre"}, "/code", "missing"),
        ({"code": 10}, "", "value_error"),
        ({"title": "Livre", "job_id": job, "item_id": "a", "code": 10}, "", "value_error"),
        ({"job_id": job, "code": 10}, "", "value_error"),
        ({"title": "Livre", "code": 10, "at": tomorrow}, "/at", "in_the_future"),
        ({"title": "?!", "code": 10}, "", "nothing_to_learn"),
        ({"image": {"url": "https://shop.example/a.jpg"}, "code": 10}, "", "nothing_to_learn"),
        ({"job_id": "0" * 24, "item_id": "a", "code": 10}, "/job_id", "job_not_found"),
        ({"job_id": job, "item_id": "b", "code": 10}, "/item_id", "item_not_found"),
        ({"title": "Livre", "code": 10, "at": "2026-01-01T00:00:00"}, "/at", "timezone_aware"),
    ]


def test_invalid_labels_are_named_and_none_is_stored(api: httpx.Client, store: LabelStore, ledger: Ledger) -> None:
    invalid = _invalid_labels(_classified(api, ledger, [{"id": "a", "title": "Livre"}]))
    response = _send(api, *(label for label, _, _ in invalid), {"title": "Livre", "code": 10})
    assert _errors(response) == [
        (index, f"/labels/{index}{pointer}", code) for index, (_, pointer, code) in enumerate(invalid)
    ]
    assert store.names() == []


def test_unknown_category_of_a_label_is_answered_with_similar_ones(api: httpx.Client) -> None:
    (error,) = _send(api, {"title": "Livre", "code": "Piscine et accessoire"}).json()["errors"]
    assert "did you mean '2583' (Piscines et accessoires)" in error["detail"]
    assert error["detail"].count("(") <= 3, "only a few are named"


def test_invalid_labels_are_skipped_on_request(api: httpx.Client, ledger: Ledger) -> None:
    invalid = _invalid_labels(_classified(api, ledger, [{"id": "a", "title": "Livre"}]))
    labels = [label for label, _, _ in invalid]
    skipped = _send(api, *labels, {"title": "Livre", "code": 10}, on_invalid="skip").json()
    assert (skipped["accepted"], skipped["invalid"], len(skipped["errors"])) == (1, 11, 11)


def test_invalid_label_in_ndjson_has_its_line(api: httpx.Client) -> None:
    body = b'{"title": "Livre", "code": 10}\n\n{"title": "Livre", "code": 11}\n'
    response = api.post("/v1/labels", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert [(error["line"], error["pointer"]) for error in response.json()["errors"]] == [(3, "/code")]


@pytest.mark.parametrize("gone", ["kept", "results", "picture"])
def test_label_of_an_expired_input_is_refused(
    api: httpx.Client, ledger: Ledger, redis: Redis, settings: Settings, gone: str
) -> None:
    picture = in_base64(jpeg("blue", (8, 8)))
    job = _classified(api, ledger, [{"id": "a", "title": "Lampe", "image": {"base64": picture}}])
    if gone == "kept":
        lose_part(redis, job, "kept")
    elif gone == "results":
        expire_results(redis, job)
    else:
        moment = datetime.now(UTC) + timedelta(hours=1)
        blobs = Blobs(settings.blob_url)
        assert all(blobs.remove(name, moment) for name in list(blobs.older_than(moment)))
    response = _send(api, {"job_id": job, "item_id": "a", "code": 10})
    assert [code for _, _, code in _errors(response)] == ["input_gone"]
    assert "send the item itself" in response.json()["errors"][0]["detail"]


def test_labels_over_the_limit_none_and_multipart_are_refused(api: httpx.Client) -> None:
    many = _send(api, *({"title": "Livre", "code": 10} for _ in range(21)))
    assert (many.status_code, many.json()["type"].rsplit(":", 1)[-1]) == (413, "too-many-labels")
    assert _send(api).json()["type"].endswith("no-labels")
    form = api.post("/v1/labels", files={"labels": ("labels.csv", b"title,code\n", "text/csv")})
    assert form.status_code == 415


def test_labels_need_the_scope_and_the_tenants_own_job(api: httpx.Client, ledger: Ledger) -> None:
    app = api.app  # type: ignore[attr-defined]
    keys = KeyStore(app.state.stores.redis)
    job = _classified(api, ledger, [{"id": "a", "title": "Livre"}])
    stranger = client_of(app, key=keys.create("stranger", [Scope.TRAIN])[1])
    assert [code for _, _, code in _errors(_send(stranger, {"job_id": job, "item_id": "a", "code": 10}))] == [
        "job_not_found"
    ]
    reader = client_of(app, key=keys.create("reader", [Scope.CLASSIFY])[1])
    assert _send(reader, {"title": "Livre", "code": 10}).status_code == 403
    assert reader.get("/v1/labels").status_code == 403


# Counting


def test_label_conflicts_are_counted_by_item(api: httpx.Client) -> None:
    assert _accepted(api, {"title": "Livre d'été", "code": 10})["conflicts"] == 0
    again = _accepted(api, {"title": "LIVRE d’ete!", "code": 10}, {"title": "Lampe", "code": 2060})
    assert again["conflicts"] == 0, "the same item and the same code"
    other = _accepted(
        api, {"title": "livre d ete", "code": 2705}, {"title": "lampe", "code": 1560}, {"title": "lampe", "code": 2060}
    )
    assert other["conflicts"] == 3
    counts = api.get("/v1/labels").json()
    assert (counts["labels"], counts["items"], counts["conflicts"]) == (6, 2, 2)
    assert counts["codes"] == {"10": 2, "2705": 1, "2060": 2, "1560": 1}
    assert counts["other_codes"] == 0
    assert counts["newest"] is not None


def test_of_many_codes_those_with_most_labels_are_counted_one_by_one(api: httpx.Client, store: LabelStore) -> None:
    codes = [f"c{number:04d}" for number in range(1200)]
    labels = [
        Label(index, code, by="anna", at=datetime.now(UTC), tenant="local", title=f"{code} {index}")
        for index, code in enumerate([*codes, *codes[300:400]])
    ]
    store.append(LabelStore.name(1, f"{1:024x}"), labels)
    counts = api.get("/v1/labels").raise_for_status().json()
    assert (counts["labels"], len(counts["codes"]), counts["other_codes"]) == (1300, 1000, 200)
    assert {code for code, count in counts["codes"].items() if count == 2} == set(codes[300:400])
    assert list(counts["codes"]) == sorted(counts["codes"])


def test_a_tenant_is_told_nothing_of_another_ones_labels(api: httpx.Client) -> None:
    app = api.app  # type: ignore[attr-defined]
    _accepted(api, {"title": "Livre", "code": 10})  # of the tenant local, while there is no key
    keys = KeyStore(app.state.stores.redis)
    shop, rival = (client_of(app, key=keys.create(tenant, [Scope.TRAIN])[1]) for tenant in ("shop", "rival"))
    operator = client_of(app, key=keys.create("operations", [Scope.TRAIN, Scope.OBSERVE])[1])
    assert _accepted(shop, {"title": "Livre", "code": 40})["conflicts"] == 0
    assert _accepted(rival, {"title": "Livre", "code": 40})["conflicts"] == 0
    assert _accepted(rival, {"title": "Livre", "code": 2705})["conflicts"] == 1
    told = [client.get("/v1/labels").json() for client in (shop, rival, operator)]
    assert [(counts["labels"], counts["items"], counts["conflicts"]) for counts in told] == [
        (1, 1, 0),
        (2, 1, 1),
        (4, 1, 1),
    ]
    assert told[0]["codes"] == {"40": 1}


def test_labels_counted_by_an_older_release_are_counted_anew(
    api: httpx.Client, settings: Settings, redis: Redis, store: LabelStore
) -> None:
    _accepted(api, {"title": "Livre", "code": 10})
    as_an_older_release_counted(redis)
    index = LabelIndex(redis, LabelStore(settings.labels_url))
    assert index.counts("local") == index.counts(None)
    assert index.counts("local").labels == 1


def test_label_counts_survive_an_emptied_redis(api: httpx.Client, redis: Redis) -> None:
    _accepted(api, {"title": "Livre", "code": 10})
    _accepted(api, {"title": "Livre", "code": 2705})
    before = api.get("/v1/labels").json()
    redis.flushdb()
    assert _accepted(api, {"title": "Livre", "code": 40})["conflicts"] == 1
    after = api.get("/v1/labels").json()
    assert (before["labels"], after["labels"], after["items"], after["conflicts"]) == (2, 3, 1, 1)


# Twice


def test_idempotency_key_stores_labels_once(api: httpx.Client, store: LabelStore) -> None:
    label = {"title": "Livre", "code": 10}
    _accepted(api, {"title": "Livre", "code": 40})
    first, again = (_send(api, label, {"code": 1}, key="k", on_invalid="skip") for _ in range(2))
    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (201, 201, "true")
    assert again.content == first.content
    assert first.json()["conflicts"] == 1
    assert len(store.names()) == 2
    reused = _send(api, {"title": "Lampe", "code": 2060}, key="k")
    assert (reused.status_code, reused.json()["type"].rsplit(":", 1)[-1]) == (422, "idempotency-key-reused")


def test_labels_of_a_request_that_died_before_its_answer_are_stored_once(
    api: httpx.Client, store: LabelStore, redis: Redis
) -> None:
    label = {"title": "Livre", "code": 10}
    first = _send(api, label, key="k").json()
    for claim in claims(redis):
        redis.delete(claim)  # as if the process had died when the file was written
    again = _send(api, label, key="k")
    assert (again.status_code, again.json()) == (201, first)
    assert len(store.names()) == 1


def test_concurrent_label_indexes_count_each_file_once(settings: Settings, redis: Redis, store: LabelStore) -> None:
    label = Label(index=0, code="10", by="anna", at=datetime.now(UTC), tenant="local", title="Livre")
    one, other = LabelIndex(redis, store), LabelIndex(redis, LabelStore(settings.labels_url))
    names = [LabelStore.name(moment, f"{moment:024x}") for moment in (1, 2)]
    for name in names:
        store.append(name, [label])
    assert one.catch_up() == other.catch_up() == names
    assert one.counts(None) == other.counts(None) == one.counts("local")
    assert one.counts(None).labels == 2
    assert json.loads(label.line())["title"] == "Livre"
