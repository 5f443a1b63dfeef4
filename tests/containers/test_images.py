"""Each image holds what it should, and no more."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.services import ROOT

pytestmark = [pytest.mark.timeout(1200), pytest.mark.usefixtures("compose")]

GPU = "worker-gpu"
STRUCTURE = sorted(
    path
    for path in (Path(__file__).parent / "structure").glob("*.yaml")
    if path.stem != GPU or os.environ.get("CATALOG_GPU_IMAGE")
)
"""Structure tests, one per image. `worker-gpu` is built only on request: CUDA's libraries take 7 GB twice."""
API_LIMIT_MB = 380
"""With the code of the decisions, the queue and the promise it is at 350; Pillow, for thumbnails, takes 22."""


def docker(*arguments: str) -> str:
    return subprocess.run(
        ["docker", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


@pytest.mark.parametrize("checks", STRUCTURE, ids=lambda path: path.stem)
def test_structure(checks: Path) -> None:
    image = f"rakuten-catalog-{checks.stem}:local"
    if checks.stem == GPU:  # the others are those of the stack that is up
        docker("build", "--quiet", "--target", GPU, "--tag", image, ".")
    command = ["container-structure-test", "test", "--image", image, "--config", str(checks)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_api_is_small() -> None:
    size = int(docker("image", "inspect", "--format", "{{.Size}}", "rakuten-catalog-api:local"))
    assert size < API_LIMIT_MB * 1e6


@pytest.fixture
def changed() -> Iterator[Path]:
    """A line of the code is another for a while."""
    path = ROOT / "api/app.py"
    before = path.read_bytes()
    path.write_bytes(before + b"\n# changed\n")
    yield path
    path.write_bytes(before)


@pytest.mark.usefixtures("changed")
@pytest.mark.parametrize("target", ["api", "worker", "training"])
def test_a_change_of_the_code_installs_no_package_again(target: str) -> None:
    build = ["docker", "build", "--progress", "plain", "--target", target, "."]
    said = subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True).stderr
    lines = said.splitlines()
    steps = {line.split()[0] for line in lines if "uv pip install" in line and "--editable" not in line}
    assert steps
    assert steps <= {line.split()[0] for line in lines if line.endswith(" CACHED")}
