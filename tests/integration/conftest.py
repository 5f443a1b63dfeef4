import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared.settings import ROOT
from stack.processes import free_port
from stack.services import Ports, Stack
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
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """API, worker, housekeeper and courier that log JSON, every line of theirs."""
    settings = {
        "CATALOG_MODEL": str(ROOT / "models/starter"),
        "CATALOG_LOG_FORMAT": "json",
        "CATALOG_LOG_LEVEL": "debug",
        "CATALOG_TRACK_PREDICTIONS": "false",
        "CATALOG_WEBHOOK_RETRIES_S": "[0.1, 0.1, 0.1]",
    }
    ports = Ports(redis=free_port(), api=free_port(), mlflow=None)
    with Stack(ROOT, tmp_path_factory.mktemp("observed"), ports, settings) as running:
        yield running
