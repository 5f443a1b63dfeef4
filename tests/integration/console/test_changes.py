"""What is changed by the console's forms, through the functions of the public routes."""

from datetime import UTC, datetime

from fastapi.testclient import TestClient
from redis import Redis

from shared.ledger import Ledger
from shared.registry.state import Models, ModelVersion, RegistryState


def test_a_training_is_requested_by_a_form_and_cancelled(api: TestClient) -> None:
    assert "Start a training" in api.get("/console/trainings").text
    page = api.post("/console/trainings", data={"params": "train: {text: {epochs: 3}}", "promote": "manual"})
    assert page.status_code == 200
    assert page.url.path.startswith("/console/trainings/")
    (training,) = api.get("/v1/trainings").json()["trainings"]
    assert (training["params"], training["promote"]) == ({"train": {"text": {"epochs": 3}}}, "manual")
    assert training["id"] in page.text
    cancelled = api.post(f"{page.url.path}/cancel", data={})
    assert "cancelled" in cancelled.text
    assert training["id"] in api.get("/console/trainings").text


def test_a_training_that_cannot_be_says_why_and_keeps_what_was_typed(api: TestClient) -> None:
    for typed, told in (
        ("{train: [", "is no YAML"),
        ("train: {text: {epochs: -3}}", "epochs"),
        ("import_data: {source: /etc}", "source"),
        ("- 1", "params"),
    ):
        page = api.post("/console/trainings", data={"params": typed})
        assert page.status_code == 422, typed
        assert told in page.text
        assert typed in page.text
    assert api.get("/v1/trainings").json()["trainings"] == []


def test_a_version_that_is_not_there_is_not_promoted(api: TestClient) -> None:
    page = api.post("/console/models/7/promote", data={"reason": "better"})
    assert page.status_code == 404
    assert "The registry has no version 7" in page.text
    assert api.post("/console/models/rollback", data={"reason": "x" * 600}).status_code == 422


def test_versions_are_told_apart_by_figures_and_a_line(api: TestClient, redis: Redis) -> None:
    assert "No version is registered yet" in api.get("/console/models").text
    versions = tuple(_version(number) for number in (3, 2, 1))
    Models(redis).publish(RegistryState(name="n", versions=versions, aliases={"champion": "2"}))
    page = api.get("/console/models").text
    assert "polyline" in page
    assert page.index(">3 <") < page.index(">2 <")
    assert "serves" in page


def _version(number: int) -> ModelVersion:
    return ModelVersion(
        version=str(number),
        bundle=f"{number:012}",
        run_id=None,
        created_at=datetime(2026, 12, 1, tzinfo=UTC),
        figures={"test.fusion.weighted_f1": 0.78 + number / 100},
    )


def test_a_job_without_a_webhook_says_so(api: TestClient, ledger: Ledger) -> None:
    job = api.post("/v1/jobs", json={"items": [{"title": "x"}]}).json()["id"]
    assert "This job has no webhook" in api.get(f"/console/jobs/{job}/deliveries").text
    assert api.post(f"/console/jobs/{job}/deliveries", data={}).status_code == 409
