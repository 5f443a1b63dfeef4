"""The models over HTTP: who may change which one serves, and what is answered where it cannot be done."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from redis import Redis

from api.app import create_app
from api.models import served
from shared.pipeline.stages import GateVerdict
from shared.registry.state import (
    CHALLENGER,
    CHAMPION,
    ChampionChange,
    ChangeAnswer,
    ChangeKind,
    Models,
    ModelVersion,
    RegistryState,
)
from shared.settings import Settings
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of
from tests.redis_state import forget_models, tickets


def _version(number: int, *, passed: bool | None) -> ModelVersion:
    verdict = passed is not None and GateVerdict(
        challenger=f"bundle{number}", champion="bundle1", items=9, passed=passed, detail="It is as good.", checks=()
    )
    return ModelVersion(
        version=str(number),
        bundle=f"bundle{number}",
        run_id=f"run{number}",
        created_at=datetime(2026, 1, number, tzinfo=UTC),
        figures={"test.fusion.weighted_f1": 0.8},
        verdict=verdict or None,
    )


STATE = RegistryState(
    name="rakuten-classification",
    versions=(_version(4, passed=None), _version(3, passed=False), _version(2, passed=True), _version(1, passed=True)),
    aliases={CHAMPION: "1", CHALLENGER: "4"},
)


@pytest.fixture
def settings(redis_port: int, redis: Redis) -> Settings:
    url = f"redis://127.0.0.1:{redis_port}"
    return Settings(redis_url=f"{url}/0", broker_url=f"{url}/0", confirm_on_disk=False)


@pytest.fixture
def client(settings: Settings, redis: Redis) -> Iterator[TestClient]:
    """An admin's; the copy of the registry is there, a courier is not."""
    Models(redis).publish(STATE)
    _, key = KeyStore(redis).create("acme", [Scope.ADMIN])
    with client_of(create_app(settings), key=key) as client:
        yield client


def test_models_are_listed_with_the_gates_verdict(client: TestClient) -> None:
    told = client.get("/v1/models").raise_for_status().json()
    assert (told["champion"], told["previous"]) == ("1", None)
    assert [model["version"] for model in told["models"]] == ["4", "3", "2", "1"]
    assert [model["aliases"] for model in told["models"]] == [["challenger"], [], [], ["champion"]]
    assert [model["gate"] and model["gate"]["passed"] for model in told["models"]] == [None, False, True, True]
    assert told["copied_at"]


def test_local_bundle_serves_without_a_registry_copy(client: TestClient, redis: Redis) -> None:
    forget_models(redis)
    told = client.get("/v1/models").raise_for_status().json()
    assert (told["champion"], told["models"], told["copied_at"]) == (None, [], None)
    assert client.post("/v1/models/1/promote").status_code == 404


def test_other_tenants_are_not_named_to_a_key_that_sees_its_own(client: TestClient, redis: Redis) -> None:
    change = ChampionChange(
        kind=ChangeKind.PROMOTE, at=datetime.now(UTC), by="", why="secret", champion="1", previous=None
    )
    by = ("acme", "acme/0123", "training ab12 of acme", "rival/0123", "training ab12 of rival", "acme-2/0123")
    history = tuple(change.model_copy(update={"by": name}) for name in by)
    Models(redis).publish(STATE.model_copy(update={"history": history}))

    def told(*scopes: Scope) -> Any:
        _, key = KeyStore(redis).create("acme", scopes)
        return client_of(client.app, key=key).get("/v1/models").raise_for_status().json()  # type: ignore[arg-type]

    own = told(Scope.CLASSIFY, Scope.TRAIN)
    assert [shown["by"] for shown in own["history"]] == [*by[:3], None, None, None]
    assert [shown["why"] for shown in own["history"]] == ["secret"] * 3 + [None] * 3
    assert {model["run_id"] for model in own["models"]} == {None}
    for scope in (Scope.ADMIN, Scope.OBSERVE):
        everything = told(scope)
        assert [shown["by"] for shown in everything["history"]] == list(by)
        assert {model["run_id"] for model in everything["models"]} == {model.run_id for model in STATE.versions}


@pytest.mark.parametrize("scope", [Scope.CLASSIFY, Scope.TRAIN])
def test_only_an_admin_may_change_what_serves(client: TestClient, redis: Redis, scope: Scope) -> None:
    _, key = KeyStore(redis).create("acme", [scope])
    other = client_of(client.app, key=key)  # type: ignore[arg-type]
    assert other.get("/v1/models").status_code == 200
    for path in ("/v1/models/2/promote", "/v1/models/rollback"):
        refused = other.post(path)
        assert (refused.status_code, refused.json()["scope"]) == (403, "admin")
    assert client_of(client.app).get("/v1/models").status_code == 401  # type: ignore[arg-type]


@pytest.mark.parametrize(("version", "why"), [("3", "It is as good"), ("4", "has not compared it")])
def test_promotion_without_the_gates_pass_needs_force(client: TestClient, version: str, why: str) -> None:
    refused = client.post(f"/v1/models/{version}/promote", json={"reason": "I like it"})
    assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (409, "gate-not-passed")
    assert why in refused.json()["detail"]


def test_an_unknown_version_and_a_wrong_body_are_refused(client: TestClient) -> None:
    unknown = client.post("/v1/models/9/promote", json={"force": True})
    assert (unknown.status_code, unknown.json()["type"].split(":")[-1]) == (404, "model-not-found")
    assert client.post("/v1/models/latest/promote").status_code == 422
    assert client.post("/v1/models/2/promote", json={"because": "x"}).status_code == 422


def test_promotion_without_a_courier_is_503(client: TestClient, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "_WAIT_S", 1)
    refused = client.post("/v1/models/2/promote")
    assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (503, "no-courier")
    assert refused.headers["Retry-After"]
    assert all(redis.pttl(key) < 1000 for key in tickets(redis).values())


def test_registry_errors_are_passed_on() -> None:
    impossible = served._not_changed(ChangeAnswer(state=None, problem="nothing to roll back", refused=True))
    away = served._not_changed(ChangeAnswer(state=None, problem="MLflow is away"))
    assert (impossible.status, away.status) == (409, 503)
    assert "nothing to roll back" in str(impossible)
