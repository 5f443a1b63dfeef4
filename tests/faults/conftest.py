"""The whole service as processes that a test may kill, stop and start again. The starter model serves: no training."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from shared.settings import ROOT
from stack.services import Stack, pick_ports
from training.pipeline.layout import STARTER

Service = Callable[..., Stack]
Figure = Callable[[str, float, str], None]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Starts a service with further settings, which is stopped after the test."""
    with ExitStack() as running:

        def start(settings: Mapping[str, str] | None = None) -> Stack:
            return running.enter_context(stack_in(tmp_path / "stack", settings))

        yield start


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Service]:
    """Makes a service of which nothing runs yet: the test starts the parts that it needs."""
    with ExitStack() as running:

        def make(settings: Mapping[str, str] | None = None) -> Stack:
            return running.push(stack_in(tmp_path / "stack", settings))

        yield make


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 2 MB left; more once `filler` is removed."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a file system may not be mounted here: {mounted.stderr.strip()}")
    (folder / "filler").write_bytes(bytes(22 * 1024**2))
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Puts name, value and unit on record: in pytest's report, its output, the file that `CATALOG_FIGURES` names."""

    def record(name: str, value: float, unit: str) -> None:
        record_property(name, f"{value:.3g} {unit}")
        line = f"{name}\t{value:.3g}\t{unit}\n"
        sys.stdout.write(line)
        if path := os.environ.get("CATALOG_FIGURES"):
            with Path(path).open("a") as figures:
                figures.write(line)

    return record


def stack_in(folder: Path, settings: Mapping[str, str] | None = None) -> Stack:
    """A service that is not started yet."""
    ports = pick_ports(mlflow=False, preferred=False)
    computed = {"CATALOG_CACHED_PREDICTIONS": "0", "CATALOG_CACHED_FEATURES": "0"}  # each item takes its time
    fixed = {"CATALOG_MODEL": str(ROOT / STARTER), "CATALOG_TRACK_PREDICTIONS": "false", **computed}
    return Stack(ROOT, folder, ports, {**fixed, **(settings or {})}, observed=True)


def client(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.url, timeout=60)
