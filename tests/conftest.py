"""Real parts for the tests: a Redis server, a trained bundle, and the whole running service."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from _pytest.nodeid import coerce_node_id  # there is no other way to rename an item
from redis import Redis

from shared.ledger import Ledger
from shared.model.bundle import Bundle
from shared.settings import ROOT
from stack import redis_server
from stack.processes import Process, free_port
from stack.services import Ports, Stack
from tests.sharing import made_once
from tests.workspace import PARAMS, Workspace
from training.pipeline.layout import BUNDLE, PREPARED
from training.pipeline.prepared import Prepared


@dataclass(frozen=True)
class Trained:
    """A bundle, and what it was made of."""

    bundle: Bundle
    prepared: Prepared


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first: it has the workspace trained, while the other process runs what needs none.

    Raises:
        pytest.UsageError: two tests have one id, of which pytest-xdist would run one, and say nothing of the other.
    """
    for item in items:
        if not item.nodeid.endswith(item.name):  # schemathesis's, an operation each
            item._id = coerce_node_id(f"{item.nodeid.rpartition('::')[0]}::{item.name}")
    ids = Counter(item.nodeid for item in items)
    if doubled := [name for name, times in ids.items() if times > 1]:
        raise pytest.UsageError(f"more than one test is called {', '.join(doubled)}")
    items.sort(key=lambda item: item.path.name != "test_retraining.py")


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the project in which `dvc repro` has run on the generated sample catalogue."""

    def make(folder: Path) -> None:
        workspace = Workspace.of_working_tree(folder)
        workspace.set_params(PARAMS)
        workspace.run("training.sample.catalogue", "unlabelled")
        workspace.run("dvc", "repro")

    made = Workspace(made_once(tmp_path_factory, "trained", make))
    return made.copy(tmp_path_factory.mktemp("workspace") / "workspace")  # DVC locks where it works


@pytest.fixture(scope="session")
def trained(workspace: Workspace) -> Trained:
    return Trained(Bundle.load(workspace.folder / BUNDLE), Prepared(workspace.folder / PREPARED))


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    process = Process("redis", redis_server.server_command(port, folder), folder / "redis.log", {}, folder)
    redis_server.wait_for(process, port)
    yield port
    process.stop()


@pytest.fixture
def redis(redis_port: int) -> Iterator[Redis]:
    """An empty database."""
    with Redis(port=redis_port) as client:
        client.flushdb()
        yield client


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis)


@pytest.fixture(scope="session")
def stack(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis, MLflow, worker, housekeeper and API as processes, serving the trained bundle."""
    folder = tmp_path_factory.mktemp("stack")
    settings = {
        "CATALOG_MODEL": str(trained.bundle.folder),
        "CATALOG_AUDIT_SHARE": "0",  # tests count what needs a review
        "CATALOG_WEBHOOK_RETRIES_S": "[0.1, 0.1, 0.1]",
        "CATALOG_IMAGE_TIMEOUT_S": "2",
        "MLFLOW_STORE": str(folder / "mlflow-store"),
    }
    ports = Ports(redis=free_port(), api=free_port(), mlflow=free_port())
    with Stack(ROOT, folder, ports, settings, observed=True) as running:
        yield running


@pytest.fixture(scope="session")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        yield client
