"""The API as a process, beside which threads of the test do what the workers and the courier would."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from redis import Redis

from shared.ledger import Lease, Ledger, ModelPromise, Promises, Trainings
from shared.queues import DELIVERY, TRAINING, Lane
from shared.registry.state import ChangeAnswer, ChangeKind, ChangeRequest, Models, ModelVersion, RegistryState
from shared.settings import ROOT
from shared.stores.taxonomy_in_force import PublishedBundle, PublishedTaxonomies
from shared.taxonomy import RAKUTEN
from shared.tenants.api_keys import KeyStore, Scope
from stack.processes import free_port
from stack.services import Ports, Stack
from tests.jobs import outcomes_of
from tests.redis_state import queue_key, tickets

UNFINISHED = "unfinished"
"""The id of an item, or the revision of a training, that is begun and never finished."""
REGISTRY = RegistryState(
    name="catalog",
    versions=(
        ModelVersion(
            version="1", bundle="0123456789ab", run_id=None, created_at=datetime(2026, 1, 1, tzinfo=UTC), figures={}
        ),
    ),
)
SERVED = PublishedBundle("0123456789ab", RAKUTEN, tuple(leaf.code for leaf in RAKUTEN.leaves))
"""No request can do away with its categories, which labels name."""


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
        Models(redis).publish(REGISTRY)
        PublishedTaxonomies(redis, 90).publish(SERVED, taken_over=True)
        Promises(redis).publish(ModelPromise(SERVED.id, precision=0.95, threshold=0.8))
        helpers = [threading.Thread(target=work, args=(redis, broker, stopping)) for work in (_work, _change_models)]
        for helper in helpers:
            helper.start()
        stack = Stack(ROOT, tmp_path_factory.mktemp("fuzz"), ports, settings)
        process = stack.start_api()
        yield Api(stack.url, {"Authorization": f"Bearer {key}"})
        process.stop()
        stopping.set()
        for helper in helpers:
            helper.join()


def _work(redis: Redis, broker: Redis, stopping: threading.Event) -> None:
    """Each wake-up is followed; of several items one fails, so that there is something to retry."""
    ledger = Ledger(redis)
    while not stopping.is_set():
        if broker.brpop([queue_key(lane) for lane in (*Lane, TRAINING)], timeout=1):
            for lane in (*Lane, TRAINING):
                while lease := ledger.lease(lane):
                    if not _is_unfinished(lease, Trainings(redis)):
                        ledger.commit(lease, "v1", outcomes_of(lease, failing=len(lease.items) > 1))


def _is_unfinished(lease: Lease, trainings: Trainings) -> bool:
    if lease.items[0].id != lease.job_id:
        return lease.items[0].id == UNFINISHED
    return trainings.training(lease.job_id).request.revision == UNFINISHED


def _change_models(redis: Redis, broker: Redis, stopping: threading.Event) -> None:
    """The courier's part: each request to change the model is answered; a rollback never had anything to go back to."""
    models = Models(redis)
    while not stopping.is_set():
        if broker.brpop([queue_key(DELIVERY)], timeout=1):
            for ticket in tickets(redis):
                if request := models.take(ticket):
                    models.answer(ticket, _answer(request))


def _answer(request: ChangeRequest) -> ChangeAnswer:
    if request.kind is ChangeKind.ROLLBACK:
        return ChangeAnswer(state=None, problem="nothing was ever promoted", refused=True)
    return ChangeAnswer(state=REGISTRY)
