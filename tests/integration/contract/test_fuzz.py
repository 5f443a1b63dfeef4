"""The running API against its own OpenAPI document: Schemathesis sends what it allows, and what it forbids."""

from random import Random
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from hypothesis.strategies import SearchStrategy
from schemathesis.config import ChecksConfig, GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.result import Ok

from api.app import create_app
from shared.settings import Settings
from shared.taxonomy import RAKUTEN
from shared.taxonomy.writing import rows
from tests.integration.contract.conftest import UNFINISHED, Api
from tests.pictures import in_base64, jpeg
from tests.rakuten import CODES
from tests.waiting import finished

NOT_CHECKED = {
    "positive_data_acceptance": "what fits the document can still be wrong: an id that occurs twice",
    "negative_data_rejection": "whatever is sent as the text of a form is a string",
    "allow_header_conformance": "where two routes share a path, FastAPI's `Allow` names the first one's methods",
    "ignored_auth": "very many wrong keys from one address get 429 instead of 401; test_access.py tries wrong keys",
}
"""Checks of Schemathesis that are left out, each with its reason."""

_PROJECT = ProjectConfig(
    generation=GenerationConfig(deterministic=True, max_examples=30, database="none"),
    checks=ChecksConfig.from_dict({check: {"enabled": False} for check in NOT_CHECKED}),
    request_timeout=20,
)
_CONFIG = SchemathesisConfig(projects=ProjectsConfig(default=_PROJECT), seed=1)
DOCUMENT = schemathesis.openapi.from_dict(create_app(Settings()).openapi(), config=_CONFIG)
_OPERATIONS = [found.ok() for found in DOCUMENT.get_all_operations() if isinstance(found, Ok)]
schemathesis.serializer.alias("application/x-ndjson", "application/json")  # one line of it


@pytest.fixture(scope="module")
def states(api: Api) -> dict[str, list[str]]:
    """By path parameter: jobs that have ended, with a failed item and a webhook, are cancelled, and run; and so on."""
    with httpx.Client(base_url=api.url, headers=api.headers) as client:

        def job(*ids: str) -> str:
            items = [{"id": name, "title": "Livre", "image": {"base64": in_base64(jpeg())}} for name in ids]
            body = {"items": items, "webhook_url": "https://shop.example/hook"}
            return str(client.post("/v1/jobs", json=body).raise_for_status().json()["id"])

        def training(revision: str) -> str:
            return str(client.post("/v1/trainings", json={"revision": revision}).raise_for_status().json()["id"])

        jobs = [job("1", "2"), job(UNFINISHED), job(UNFINISHED)]
        trainings = [training("main"), training(UNFINISHED), training(UNFINISHED)]
        client.post(f"/v1/jobs/{jobs[2]}/cancel").raise_for_status()
        client.post(f"/v1/trainings/{trainings[2]}/cancel").raise_for_status()
        assert finished(client, f"/v1/jobs/{jobs[0]}")["state"] == "partial"
        said = {"job_id": jobs[0], "filter": {"q": "nothing"}, "none_of_these": True}
        bulk = client.post("/v1/decisions/bulk", json=said).raise_for_status().json()["id"]
    return {"job_id": jobs, "training_id": trainings, "version": ["1"], "index": ["0", "1"], "bulk_id": [bulk]}


@DOCUMENT.parametrize()
def test_every_operation_answers_as_the_document_says(case: schemathesis.Case[Any], api: Api) -> None:
    case.call_and_validate(api.url, headers=api.headers)


@DOCUMENT.include(path_regex="{").parametrize()
def test_so_does_each_for_what_is_there(case: schemathesis.Case[Any], api: Api, states: dict[str, list[str]]) -> None:
    for name in case.path_parameters:
        for value in states[name]:
            _send(case, api, {name: value})


_TITLES = strategies.text(min_size=1, max_size=50).filter(lambda title: title.strip().isprintable())
_ITEMS = strategies.builds(lambda title: {"title": title}, _TITLES)
_LABELS = strategies.builds(lambda title, code: {"title": title, "code": code}, _TITLES, strategies.sampled_from(CODES))
_SMALL_BODIES = (
    *("POST /v1/trainings", "POST /v1/models/{version}/promote", "POST /v1/decisions/undo"),
    *("POST /v1/review/next", "POST /v1/review/release", "PUT /v1/promise"),
)
ACCEPTED: dict[tuple[str, str | None], SearchStrategy[Any] | None] = {
    ("POST /v1/jobs", "application/json"): strategies.lists(_ITEMS, min_size=1).map(lambda items: {"items": items}),
    ("POST /v1/jobs", "application/x-ndjson"): _ITEMS,
    ("POST /v1/jobs", "text/csv"): _TITLES.map(lambda title: "title\n" + title.replace('"', "").join('""')),
    ("POST /v1/labels", "application/json"): strategies.lists(_LABELS, min_size=1).map(lambda few: {"labels": few}),
    ("POST /v1/labels", "application/x-ndjson"): _LABELS,
    ("PUT /v1/taxonomy", "application/json"): strategies.just({"categories": list(rows(RAKUTEN))}),
    ("POST /predict", "application/json"): strategies.builds(lambda title: {"description": title}, _TITLES),
    **{(operation.label, None): None for operation in _OPERATIONS if not operation.body},
    **{(label, "application/json"): None for label in _SMALL_BODIES},
}
"""Bodies for which an operation should do what it is for, which few do that only fit the document."""


@pytest.mark.parametrize(("label", "media_type"), ACCEPTED)
def test_so_does_each_when_it_is_done(
    label: str, media_type: str | None, api: Api, states: dict[str, list[str]]
) -> None:
    operation: Any = next(operation for operation in _OPERATIONS if operation.label == label)
    bodies = ACCEPTED[label, media_type]
    answers: list[int] = []

    @settings(max_examples=20, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        operation.as_strategy(media_type=media_type),
        strategies.none() if bodies is None else bodies,
        strategies.randoms(),
    )
    def send(case: schemathesis.Case[Any], body: Any, random: Random) -> None:
        if bodies is not None:
            case.body, case.media_type = body, media_type  # a strategy for one media type makes others, too
            if "metadata" in (case.query or {}):  # the document cannot say that the text is an object in JSON
                case.query["metadata"] = '{"season": "spring"}'
            for header in ("Content-Encoding", "Content-Type"):  # nor that the body is not in the former
                case.headers.pop(header, None)
        answers.append(_send(case, api, {name: random.choice(states[name]) for name in case.path_parameters}))

    send()
    assert [status for status in answers if status < 300], answers


def _send(case: schemathesis.Case[Any], api: Api, there: dict[str, str]) -> int:
    """Ask about what is there, without waiting for the end of what has none; return the answer's status."""
    case.path_parameters |= there
    if str(case.query.get("wait", "")).replace(".", "").isdecimal():
        case.query["wait"] = 0
    return case.call_and_validate(api.url, headers=api.headers).status_code


def test_so_do_operations_on_what_earlier_ones_led_to(api: Api) -> None:
    class Machine(DOCUMENT.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: schemathesis.Case[Any]) -> dict[str, Any]:
            return {"base_url": api.url, "headers": api.headers}

    Machine.run(
        settings=settings(
            max_examples=20,
            stateful_step_count=6,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
    )
