"""The images and the stack of `docker-compose.yml`, built and run by a real engine."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from stack.processes import free_port
from stack.services import ROOT

PROJECT = "catalog-test"
LOGS = ROOT / ".run/containers.log"
"""What the containers said, once they are gone."""


@dataclass
class Compose:
    """One running stack, apart from any other on this machine: a project, ports and volumes of its own."""

    env: dict[str, str]
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    """With a key that may classify."""

    def run(self, *arguments: str) -> str:
        """What `docker compose …` prints; its errors go to the test's output."""
        command = ["docker", "compose", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.env, check=True, stdout=subprocess.PIPE, text=True).stdout

    def container(self, service: str) -> str:
        return self.run("ps", "--quiet", service).strip()

    def inspect(self, service: str, what: str) -> str:
        """A field of the service's container, as `docker inspect --format` has it."""
        command = ["docker", "inspect", "--format", what, self.container(service)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=self.headers, timeout=30)


@pytest.fixture(scope="session")
def engine() -> None:
    """Fails where no Docker engine answers: these tests are asked for by name."""
    if shutil.which("docker") is None:
        pytest.fail("there is no docker on PATH: these tests need a Docker engine with buildx and compose")
    answer = subprocess.run(["docker", "compose", "ls"], capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.fail(f"no Docker engine answers: {answer.stderr.strip()}")


@pytest.fixture(scope="session")
def compose(engine: None) -> Iterator[Compose]:
    """The stack, brought up by the command of the documentation, and taken down with its volumes."""
    port = free_port()
    env = {
        **os.environ,
        "COMPOSE_PROJECT_NAME": PROJECT,
        "CATALOG_API_PORT": str(port),
        "CATALOG_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "MLFLOW_PORT": str(free_port()),
        "CATALOG_RECEIVERS_SUBNET": "172.31.254.0/28",
        "CATALOG_RECEIVERS_RANGE": "172.31.254.8/29",
    }
    stack = Compose(env, f"http://127.0.0.1:{port}")
    try:
        stack.run("up", "--build", "--wait", "--quiet-pull")
        create = ("exec", "model-api", "catalog-keys", "create", "--tenant", "acme", "--scope", "classify")
        stack.headers["Authorization"] = f"Bearer {stack.run(*create).strip()}"
        yield stack
    finally:
        LOGS.parent.mkdir(exist_ok=True)
        with LOGS.open("w") as output:
            said = ["docker", "compose", "--profile", "*", "logs", "--no-color"]
            subprocess.run(said, cwd=ROOT, env=env, check=False, stdout=output)
        stack.run("--profile", "*", "down", "--volumes", "--timeout", "30")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of 270 products, most of them with a picture: `X_test_update.csv` and `images/image_test`."""
    folder = tmp_path_factory.mktemp("catalogue")
    command = ["python", "-m", "training.sample.catalogue", str(folder), "--test-items", "270", "--seed", "11"]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder
