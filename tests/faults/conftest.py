"""The whole service as processes that a test may kill, stop and start again. The starter model serves: no training."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from shared.settings import ROOT
from stack.processes import free_port
from stack.services import Ports, Stack
from training.layout import STARTER

Service = Callable[..., Stack]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Starts a service with further settings, which is stopped after the test."""
    with ExitStack() as running:

        def start(settings: Mapping[str, str] | None = None) -> Stack:
            ports = Ports(redis=free_port(), api=free_port(), mlflow=None)
            fixed = {"CATALOG_MODEL": str(ROOT / STARTER), "CATALOG_TRACK_PREDICTIONS": "false"}
            return running.enter_context(Stack(ROOT, tmp_path / "stack", ports, {**fixed, **(settings or {})}))

        yield start


def client(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.url, timeout=60)
