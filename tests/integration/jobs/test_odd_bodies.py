"""Bodies that are no UTF-8 and say so, and objects that say a thing twice."""

import json
from collections.abc import Iterator

import httpx
import pytest
from redis import Redis

from shared.ledger import Ledger
from shared.queues import Lane
from shared.settings import Settings
from tests.http import local_client

TITLE = "Étagère – 5 €"


@pytest.fixture
def api(redis_port: int, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    url = f"redis://127.0.0.1:{redis_port}"
    blobs = tmp_path_factory.mktemp("blobs").as_uri()
    settings = Settings(redis_url=f"{url}/0", broker_url=f"{url}/1", blob_url=blobs, confirm_on_disk=False)
    with local_client(settings) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (f"id,title\né1,{TITLE}\n", "text/csv"),
        (json.dumps({"items": [{"id": "é1", "title": TITLE}]}, ensure_ascii=False), "application/json"),
        (json.dumps({"id": "é1", "title": TITLE}, ensure_ascii=False), "application/x-ndjson"),
    ],
    ids=["csv", "json", "ndjson"],
)
@pytest.mark.parametrize("charset", ["windows-1252", "utf-16", "UTF-8"])
def test_a_body_is_read_in_the_charset_that_it_names(
    api: httpx.Client, ledger: Ledger, body: str, media_type: str, charset: str
) -> None:
    headers = {"Content-Type": f"{media_type}; charset={charset}"}
    answer = api.post("/v1/jobs", content=body.encode(charset), headers=headers)

    assert answer.status_code == 202, answer.text
    lease = ledger.lease(Lane.INTERACTIVE)
    assert lease is not None
    assert [(item.id, item.title) for item in lease.items] == [("é1", TITLE)]


def test_an_unknown_charset_is_refused(api: httpx.Client) -> None:
    answer = api.post("/v1/jobs", content=b"title\nLivre\n", headers={"Content-Type": "text/csv; charset=klingon"})

    assert answer.status_code == 415
    assert answer.json()["type"].endswith(":unsupported-charset")
    assert "send UTF-8" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "media_type", "where"),
    [
        (b'{"items": [{"id": "1", "title": "Lampe", "title": "Livre"}]}', "application/json", "Item 0"),
        (
            b'{"items": [{"id": "1", "image": {"url": "https://a.example", "url": "https://b.example"}}]}',
            "application/json",
            "Item 0",
        ),
        (
            b'{"id": "1", "title": "Lampe"}\n{"id": "2", "title": "Lampe", "t\\u0069tle": "Livre"}\n',
            "application/x-ndjson",
            "Line 2",
        ),
    ],
    ids=["item", "picture", "line"],
)
def test_a_member_that_occurs_twice_is_not_taken_in_half(
    api: httpx.Client, body: bytes, media_type: str, where: str
) -> None:
    answer = api.post("/v1/jobs", content=body, headers={"Content-Type": media_type})

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(f"{where} is ambiguous: the member ")


def test_predict_takes_no_member_twice(api: httpx.Client) -> None:
    answer = api.post(
        "/predict",
        content=b'{"description": "Lampe", "description": "Livre"}',
        headers={"Content-Type": "application/json"},
    )

    assert (answer.status_code, "occurs twice" in answer.json()["detail"]) == (400, True)
