import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow import MlflowClient

from shared.settings import ROOT
from stack.processes import free_port
from stack.services import Ports, Stack
from tests.collector import Collector
from tests.pictures import jpeg
from tests.sharing import made_once
from tests.workspace import Workspace


@dataclass(frozen=True)
class Retrained:
    """A copy of the workspace in which `dvc repro` has run again, with one epoch for the LSTM."""

    workspace: Workspace
    told: str
    """What `dvc repro` printed."""


@pytest.fixture(scope="session")
def retrained(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Retrained:
    def make(folder: Path) -> None:
        copy = workspace.copy(folder / "workspace")
        copy.set_params({"train": {"text": {"epochs": 1}}})
        (folder / "told").write_text(copy.run("dvc", "repro"))

    made = made_once(tmp_path_factory, "retrained", make)
    return Retrained(Workspace(made / "workspace"), (made / "told").read_text())


@pytest.fixture(scope="session")
def picture_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server with one picture, `there.jpg`."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "there.jpg").write_bytes(jpeg("purple", (100, 100)))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="session")
def observed(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """API, worker, housekeeper and courier that log JSON, every line of theirs, and trace into the collector."""
    folder = tmp_path_factory.mktemp("observed")
    store = f"sqlite:///{folder}/mlflow.db"
    MlflowClient(store).search_experiments()  # makes the tables: two jobs that do at once get in each other's way
    settings = {
        **traced(collector),
        "CATALOG_MODEL": str(ROOT / "models/starter"),
        "CATALOG_LOG_FORMAT": "json",
        "CATALOG_LOG_LEVEL": "debug",
        "CATALOG_MLFLOW_TRACKING_URI": store,
        "CATALOG_WEBHOOK_RETRIES_S": "[0.1, 0.1, 0.1]",
    }
    ports = Ports(redis=free_port(), api=free_port(), mlflow=None)
    with Stack(ROOT, folder, ports, settings) as running:
        yield running


def traced(collector: Collector) -> dict[str, str]:
    """What makes a process trace, and tell at once."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
