"""The client's wheel in empty environments: what it brings along, and that it works there."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

from shared.settings import ROOT
from stack.services import Stack

SCRIPT = Path(__file__).with_name("empty_environment.py")
HTTPX = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna"}
OLDER_PYTHONS_TOO = {"sniffio", "typing_extensions"}
"""What anyio needs on some versions of Python."""


def _pythons() -> dict[str, str]:
    """The interpreters of this machine that the client supports, by version: on the path, and pyenv's."""
    programs = {name: shutil.which(f"python{name}") for name in ("3.11", "3.12", "3.13", "3.14")}
    shims = [Path(program).parent.parent for program in programs.values() if program and "shims" in program]
    roots = {Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")), *shims}
    found = {}
    for name, program in programs.items():
        pyenvs = [path for root in sorted(roots) for path in sorted((root / "versions").glob(f"{name}.*/bin/python"))]
        for candidate in filter(None, [program, *map(str, pyenvs)]):
            command = [candidate, "-c", f"import sys; sys.exit(not sys.version.startswith('{name}.'))"]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:  # a shim may lead nowhere
                found[name] = candidate
                break
    return found | {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}


PYTHONS = _pythons()


def _uv(*arguments: str) -> str:
    return subprocess.run([find_uv_bin(), "--quiet", *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with the locked build backend."""
    folder = tmp_path_factory.mktemp("wheel")
    project = str(ROOT / "client")
    _uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(folder), project)
    (built,) = folder.glob("*.whl")
    return built


def _environment(folder: Path, python: str, wheel: str) -> Path:
    """The folder of programs of an environment that holds this wheel and what it needs."""
    _uv("venv", "--no-project", "--python", python, str(folder))
    constraint = ("--constraint", str(ROOT / "requirements.lock"))
    _uv("pip", "install", "--system-certs", "--python", str(folder / "bin/python"), *constraint, wheel)
    return folder / "bin"


def test_the_wheel_holds_one_typed_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"catalog_client"}
    assert "catalog_client/py.typed" in names


@pytest.mark.parametrize("version", PYTHONS)
def test_a_batch_and_its_webhook_need_httpx_alone(stack: Stack, wheel: Path, tmp_path: Path, version: str) -> None:
    programs = _environment(tmp_path / "environment", PYTHONS[version], str(wheel))
    command = [str(programs / "python"), "-I", str(SCRIPT), stack.url, stack.webhook_secret]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    packages = {*report["packages"]} - OLDER_PYTHONS_TOO
    assert packages == {"rakuten-catalog-client", *HTTPX}
    assert len(report["packages"]) <= 9
    assert (report["python"], report["state"]) == (version, "completed")
    assert (report["results"], report["asynchronous"]) == (20, 20)
    assert report["webhooks"] == [["job.completed", True]]


def test_the_command_comes_with_the_extra(stack: Stack, wheel: Path, tmp_path: Path) -> None:
    programs = _environment(tmp_path / "environment", sys.executable, str(wheel))
    without = subprocess.run([programs / "catalog", "--help"], capture_output=True, text=True, check=False)
    assert (without.returncode, "pip install 'rakuten-catalog-client[cli]'" in without.stderr) == (1, True)

    programs = _environment(tmp_path / "with the command", sys.executable, f"{wheel}[cli]")
    table = tmp_path / "items.csv"
    table.write_text("id,title\n1,Console de jeux\n2,Livre\n")
    command = [str(programs / "catalog"), "submit", str(table), "--url", stack.url]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "completed: 2 classified" in ran.stderr
