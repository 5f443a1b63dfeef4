"""The running API against its own OpenAPI document: Schemathesis sends what it allows, and what it forbids."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from redis import Redis
from schemathesis.config import ChecksConfig, GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig

from api.app import create_app
from shared.ledger import Ledger
from shared.queues import DELIVERY, TRAINING, Lane
from shared.registry.state import ChangeAnswer, Models
from shared.settings import ROOT, Settings
from shared.tenants.api_keys import KeyStore, Scope
from stack.processes import free_port
from stack.services import Ports, Stack
from tests.jobs import outcomes_of
from tests.redis_state import queue_key, tickets
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
schemathesis.serializer.alias("application/x-ndjson", "application/json")  # one line of it


@dataclass(frozen=True)
class Api:
    url: str
    headers: dict[str, str]


@pytest.fixture(scope="module")
def api(redis_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A process, beside which somebody does the work."""
    ports = Ports(redis=redis_port, api=free_port(), mlflow=None)
    settings = {"CATALOG_RATE_LIMIT": "1000000/minute", "CATALOG_CONFIRM_ON_DISK": "false"}
    stopping = threading.Event()
    with Redis(port=redis_port) as redis, Redis(port=redis_port, db=1) as broker:
        redis.flushall()
        _, key = KeyStore(redis).create("fuzz", set(Scope))
        helpers = [
            threading.Thread(target=_work, args=(Ledger(redis), broker, stopping)),
            threading.Thread(target=_refuse, args=(redis, broker, stopping)),
        ]
        for helper in helpers:
            helper.start()
        stack = Stack(ROOT, tmp_path_factory.mktemp("fuzz"), ports, settings)
        process = stack.start_api()
        yield Api(stack.url, {"Authorization": f"Bearer {key}"})
        process.stop()
        stopping.set()
        for helper in helpers:
            helper.join()


def _work(ledger: Ledger, broker: Redis, stopping: threading.Event) -> None:
    """Each wake-up is followed; of several items one fails, so that there is something to retry."""
    while not stopping.is_set():
        if broker.brpop([queue_key(lane) for lane in (*Lane, TRAINING)], timeout=1):
            for lane in (*Lane, TRAINING):
                while lease := ledger.lease(lane):
                    ledger.commit(lease, "v1", outcomes_of(lease, failing=len(lease.items) > 1))


def _refuse(redis: Redis, broker: Redis, stopping: threading.Event) -> None:
    """The courier's part: each request to change the model is answered."""
    models = Models(redis)
    while not stopping.is_set():
        if broker.brpop([queue_key(DELIVERY)], timeout=1):
            for ticket in tickets(redis):
                if models.take(ticket):
                    models.answer(ticket, ChangeAnswer(state=None, problem="nothing was ever promoted", refused=True))


@pytest.fixture(scope="module")
def job(api: Api) -> str:
    """One that has ended, with a failed item and a webhook."""
    body = {"items": [{"title": "Livre"}, {"title": "Lampe"}], "webhook_url": "https://shop.example/hook"}
    with httpx.Client(base_url=api.url, headers=api.headers) as client:
        job = client.post("/v1/jobs", json=body).raise_for_status().json()
        assert finished(client, job["url"])["state"] == "partial"
    return str(job["id"])


@DOCUMENT.parametrize()
def test_every_operation_answers_as_the_document_says(case: schemathesis.Case[Any], api: Api) -> None:
    case.call_and_validate(api.url, headers=api.headers)


@DOCUMENT.include(path_regex="job_id").parametrize()
def test_so_does_each_for_a_job_that_is_there(case: schemathesis.Case[Any], api: Api, job: str) -> None:
    case.path_parameters["job_id"] = job
    case.call_and_validate(api.url, headers=api.headers)


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
