"""The contenders as processes of this machine: how each is started, and how it is asked."""

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import local
from types import TracebackType
from typing import Any, Self

from benchmarks.catalogue import Answer
from benchmarks.contenders import pausing
from benchmarks.contenders.export import FOLDER
from benchmarks.contenders.setup import ENVIRONMENT
from benchmarks.pictures import Product
from shared.settings import ROOT
from stack.processes import Process, free_port

IN_FLIGHT = 16
_BIN = ENVIRONMENT / "bin"
_PYTHON = str(_BIN / "python")
_HOST = "127.0.0.1"
_START_S, _ANSWER_S = 180.0, 120.0


@dataclass(frozen=True)
class Contender:
    name: str
    command: Callable[[str, Path], list[str]]
    """Command line, from the port and a folder for its files."""
    path: str = "/predict"
    health: str = "/health"
    envelope: str | None = None
    """The field in which it expects a list of products, where it does not take one as it is."""
    answers: Callable[[Any], Any] = lambda document: document
    """Its JSON answer to an object with `code` and `confidence`."""
    prepare: Callable[[Path], list[str]] | None = None
    """A command to run before it is started."""


ORIGINAL = Contender(
    "original design",
    lambda port, _: [_PYTHON, "-m", "uvicorn", "benchmarks.contenders.original:app", *_listen(port)],
)
SERVERS = (
    Contender(
        "BentoML",
        lambda port, _: [str(_BIN / "bentoml"), "serve", "benchmarks.contenders.bento_server:Catalog", *_listen(port)],
        health="/readyz",
        envelope="products",
        answers=lambda document: document[0],
    ),
    Contender("LitServe", lambda port, _: [_PYTHON, "-m", "benchmarks.contenders.lit_server", "--port", port]),
    Contender(
        "Ray Serve",
        lambda port, state: [
            *(_PYTHON, "-m", "benchmarks.contenders.ray_server"),
            *("--port", port, "--state", str(state / "ray")),
        ],
        health="/-/healthz",
    ),
    Contender(
        "MLflow",
        lambda port, state: [
            *(str(_BIN / "mlflow"), "models", "serve", "--model-uri", str(state / "mlflow-model")),
            *("--env-manager", "local", "--workers", "1", *_listen(port)),
        ],
        path="/invocations",
        health="/ping",
        envelope="inputs",
        answers=lambda document: document["predictions"][0],
        prepare=lambda state: [_PYTHON, "-m", "benchmarks.contenders.mlflow_server", str(state / "mlflow-model")],
    ),
)


class Server:
    """A running contender; use it as a context manager.

    Args:
        model: The folder that `export` wrote.
        state: Where its log goes, and what else it leaves.
    """

    def __init__(self, contender: Contender, model: Path, state: Path) -> None:
        self.name = contender.name
        self._contender = contender
        self._port = free_port()
        self._state = state
        self._environment = _environment(model, state)
        self._connections = local()

    def __enter__(self) -> Self:
        self._state.mkdir()
        if self._contender.prepare is not None:
            command = self._contender.prepare(self._state)
            subprocess.run(command, env=self._environment, cwd=ROOT, check=True, capture_output=True)
        command = self._contender.command(str(self._port), self._state)
        log = self._state / f"{self.name.replace(' ', '-')}.log"
        self.process = Process(self.name, command, log, self._environment, ROOT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resume()  # what is stopped cannot end in order
        self.process.stop()

    def wait(self) -> None:
        """Until it can answer; raises `StartError` where it never does."""
        self.process.wait_until(self._ready, _START_S)

    def classify(self, bodies: Iterable[bytes]) -> list[Answer]:
        """An answer per request, in order, with `IN_FLIGHT` requests on their way at a time."""
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            return list(pool.map(self._ask, bodies))

    def pause(self) -> None:
        pausing.pause(self.process.pid)

    def resume(self) -> None:
        pausing.resume(self.process.pid)

    def body(self, product: Product) -> bytes:
        request: Any = {
            "title": product.title,
            "description": product.description,
            "image": base64.b64encode(product.picture).decode(),
        }
        return json.dumps({self._contender.envelope: [request]} if self._contender.envelope else request).encode()

    def _ask(self, body: bytes) -> Answer:
        answer = self._contender.answers(json.loads(self._request("POST", self._contender.path, body)))
        return str(answer["code"]), answer["confidence"]

    def _ready(self) -> bool:
        try:
            self._request("GET", self._contender.health)
        except (OSError, HTTPException, RuntimeError):
            return False
        return True

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Over the thread's own connection, which is kept; raises `RuntimeError` for any status but 200."""
        connection: HTTPConnection | None = getattr(self._connections, "kept", None)
        if connection is None:
            connection = self._connections.kept = HTTPConnection(_HOST, self._port, timeout=_ANSWER_S)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        except (OSError, HTTPException):
            self._connections.kept = None
            raise
        if response.status != 200:
            raise RuntimeError(f"{self.name} answered {response.status}: {content[:300].decode(errors='replace')}")
        return content


def _listen(port: str) -> tuple[str, ...]:
    return ("--host", _HOST, "--port", port)


def _environment(model: Path, state: Path) -> Mapping[str, str]:
    return {
        **os.environ,
        "PATH": f"{_BIN}:{os.environ['PATH']}",  # MLflow's command line looks for uvicorn there
        "PYTHONPATH": str(ROOT),
        FOLDER: str(model),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "BENTOML_HOME": str(state / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "true",
        "RAY_USAGE_STATS_ENABLED": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": f"sqlite:///{state}/mlflow.db",
    }
