"""The document as a file, and a service whose worker's part the test plays."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from api.app import create_app
from shared.ledger import Ledger
from shared.queues import Lane
from shared.settings import ROOT, Settings
from stack.processes import free_port
from stack.services import Ports, Stack
from tests.jobs import outcomes_of
from tests.redis_state import queue_key


@pytest.fixture(scope="session")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_text(json.dumps(create_app(Settings()).openapi()), encoding="utf-8")
    return path


def generate(*command: str | Path) -> str:
    """Run one of the generators of requirements-deploy.lock; return what it printed."""
    for program in (command[0], *(["java"] if command[0] == "openapi-generator-cli" else [])):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is not on the PATH: `make test-deploy` installs the generators; Java must be there")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def service_url(redis_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    labels = tmp_path_factory.mktemp("labels")
    settings = {"CATALOG_CONFIRM_ON_DISK": "false", "CATALOG_LABELS_URL": labels.as_uri()}
    ports = Ports(redis=redis_port, api=free_port(), mlflow=None)
    stopping = threading.Event()
    with Redis(port=redis_port) as redis, Redis(port=redis_port, db=1) as broker:
        worker = threading.Thread(target=_work, args=(Ledger(redis), broker, stopping))
        worker.start()
        stack = Stack(ROOT, tmp_path_factory.mktemp("service"), ports, settings)
        process = stack.start_api()
        yield stack.url
        process.stop()
        stopping.set()
        worker.join()


def _work(ledger: Ledger, broker: Redis, stopping: threading.Event) -> None:
    while not stopping.is_set():
        if broker.brpop([queue_key(lane) for lane in Lane], timeout=1):
            for lane in Lane:
                while lease := ledger.lease(lane):
                    ledger.commit(lease, "b1", outcomes_of(lease))
