"""What a tenant may have waiting and stored, over HTTP; each limit here is small."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import httpx
import pytest
from redis import Redis

from catalog_client import QuotaExceededError
from catalog_client._call import Answer, check
from shared.ledger import Ledger
from shared.settings import Settings
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of, local_client
from tests.redis_state import end_key


@dataclass(frozen=True)
class Tenants:
    large: httpx.Client
    small: httpx.Client


@pytest.fixture
def tenant_share() -> float:
    return 0.5


@pytest.fixture
def settings(redis_port: int, redis: Redis, tenant_share: float, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    url = f"redis://127.0.0.1:{redis_port}"
    return Settings(
        redis_url=f"{url}/0",
        broker_url=f"{url}/1",
        blob_url=tmp_path_factory.mktemp("blobs").as_uri(),
        max_queued_items=20,
        max_queued_trainings=4,
        tenant_share=tenant_share,
        confirm_on_disk=False,
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    with local_client(settings) as client:
        yield client


@pytest.fixture
def tenants(api: httpx.Client, redis: Redis) -> Tenants:
    keys, scopes = KeyStore(redis), [Scope.CLASSIFY, Scope.TRAIN]
    large, small = (client_of(api.app, key=keys.create(name, scopes)[1]) for name in ("large", "small"))  # type: ignore[attr-defined]
    return Tenants(large, small)


def send(client: httpx.Client, items: int, description: str = "") -> httpx.Response:
    """A job whose items all differ, so that their descriptions do not get smaller by being compressed together."""
    texts = [random.Random(number).sample(description, len(description)) for number in range(items)]
    return client.post("/v1/jobs", json={"items": [{"title": "Livre", "description": "".join(text)} for text in texts]})


def refusal(answer: httpx.Response) -> tuple[int, str]:
    assert int(answer.headers["Retry-After"]) > 0
    return answer.status_code, str(answer.json()["type"]).rpartition(":")[2]


def quota(client: httpx.Client) -> Any:
    return client.get("/v1/quota").json()


def test_one_tenant_cannot_fill_the_queue_for_another(tenants: Tenants) -> None:
    assert send(tenants.large, 8).status_code == 202
    refused = send(tenants.large, 5)
    assert refusal(refused) == (429, "quota-exceeded")
    facts = {name: refused.json()[name] for name in ("quota", "used", "limit")}
    assert facts == {"quota": "items", "used": 8, "limit": 10}
    assert "Nothing of this request was accepted" in refused.json()["detail"]
    with pytest.raises(QuotaExceededError, match="8 items of your tenant wait") as client_s:
        check(Answer(refused.status_code, refused.headers, refused.content, "http://127.0.0.1"))
    assert (client_s.value.quota, client_s.value.used, client_s.value.limit) == ("items", 8, 10)
    assert send(tenants.small, 8).status_code == 202
    assert quota(tenants.large)["items"]["interactive"] == {"used": 8, "limit": 10}
    assert refusal(send(tenants.small, 5)) == (429, "quota-exceeded")


def test_a_large_body_beyond_the_quota_is_not_read_to_its_end(tenants: Tenants) -> None:
    assert send(tenants.large, 18).status_code == 202, "a job may be larger than the quota if nothing else waits"
    sent = 0

    def lines() -> Iterator[bytes]:
        nonlocal sent
        for sent in range(100_000):
            yield b'{"title": "Livre %d"}\n' % sent

    refused = tenants.large.post("/v1/jobs", content=lines(), headers={"Content-Type": "application/x-ndjson"})
    assert refusal(refused) == (429, "quota-exceeded")


@pytest.mark.parametrize("end", [lambda redis, key_id: KeyStore(redis).revoke(key_id), end_key])
def test_a_tenant_alone_may_use_everything(
    tenants: Tenants, redis: Redis, settings: Settings, end: Callable[[Redis, str], object]
) -> None:
    """Neither keys that cannot submit nor revoked or ended ones make another tenant."""
    keys = KeyStore(redis)
    (small,) = [key for key in keys.list() if key.tenant == "small"]
    end(redis, small.id)
    keys.create("monitoring", [Scope.OBSERVE])
    assert quota(tenants.large)["items"]["bulk"] == {"used": 0, "limit": settings.max_queued_items}
    assert send(tenants.large, 15).status_code == 202
    assert send(tenants.large, 5).status_code == 202
    assert refusal(send(tenants.large, 1)) == (503, "queue-full")


def test_one_tenant_cannot_fill_the_trainers_queue(tenants: Tenants) -> None:
    urls = [tenants.large.post("/v1/trainings", json={}).json()["url"] for _ in range(2)]
    refused = tenants.large.post("/v1/trainings", json={})
    assert refusal(refused) == (429, "quota-exceeded")
    assert {name: refused.json()[name] for name in ("quota", "used", "limit")} == {
        "quota": "trainings", "used": 2, "limit": 2,
    }  # fmt: skip
    assert tenants.small.post("/v1/trainings", json={}).status_code == 202
    assert tenants.large.post(f"{urls[0]}/cancel").status_code == 200
    assert tenants.large.post("/v1/trainings", json={}).status_code == 202


@pytest.mark.parametrize("tenant_share", [0.02])
def test_a_tenant_s_memory_is_bounded_and_cancelling_gives_it_back(tenants: Tenants, redis: Redis) -> None:
    redis.config_set("maxmemory", 20 * 2**20)
    try:
        refused = send(tenants.large, 20, description=token_hex(25_000))
        assert refusal(refused) == (429, "quota-exceeded")
        assert refused.json()["quota"] == "memory"
        assert refused.json()["limit"] == quota(tenants.large)["memory"]["limit"] == int(20 * 2**20 * 0.85 * 0.02)
        assert quota(tenants.large)["memory"]["used"] == 0, "of a refused request nothing is left"

        url = send(tenants.large, 10, description=token_hex(25_000)).json()["url"]
        assert quota(tenants.large)["memory"]["used"] > 200_000
        assert tenants.large.post(f"{url}/cancel").status_code == 200
        assert quota(tenants.large)["memory"]["used"] < 5_000
        listed = tenants.large.get(f"{url}/results").json()["results"]
        assert [result["status"] for result in listed] == ["cancelled"] * 10
        assert send(tenants.large, 10, description=token_hex(25_000)).status_code == 202
        assert send(tenants.small, 10, description=token_hex(25_000)).status_code == 202
    finally:
        redis.config_set("maxmemory", 0)


def test_nothing_is_accepted_once_memory_is_short_and_what_was_accepted_is_done(
    api: httpx.Client, ledger: Ledger, redis: Redis
) -> None:
    accepted = send(api, 3).json()
    used = redis.info("memory")["used_memory"]
    redis.config_set("maxmemory", int(used / 0.9))
    try:
        refused = send(api, 1)
        assert refusal(refused) == (503, "store-full")
        assert "memory is full" in refused.json()["detail"]
        redis.config_set("maxmemory", used - 100_000)
        refused = api.post("/v1/jobs", json={"items": [{"title": "x"}]}, headers={"Idempotency-Key": "k"})
        assert refusal(refused) == (503, "store-full"), "not even an idempotency key fits"
        assert api.post(f"{accepted['url']}/cancel").json()["state"] == "cancelled"
    finally:
        redis.config_set("maxmemory", 0)
    assert send(api, 1).status_code == 202
