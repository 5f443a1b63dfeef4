"""A service whose MLflow asks for accounts, and what it says where its own account is refused."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.model.bundle import Bundle
from shared.settings import ROOT, local_bundle
from stack.processes import Process, free_port
from stack.services import Ports, Stack
from tests.bundles import another
from tests.waiting import finished, wait_for

pytestmark = pytest.mark.timeout(600)

SETTINGS = "CATALOG_MLFLOW_USERNAME and CATALOG_MLFLOW_PASSWORD"
WRONG = {"CATALOG_MLFLOW_PASSWORD": "another password"}
REGISTER = """
from pathlib import Path
import sys
import mlflow
from shared.model.bundle import Bundle
from shared.pipeline.params import load_params
from shared.registry.mlflow import register
from training.pipeline import tracking
bundle = Bundle.load(Path(sys.argv[1]))
with tracking.start(load_params().train) as run:
    mlflow.log_artifacts(str(bundle.folder), artifact_path="bundle")
    print("version", register(bundle, "rakuten-classification", run.ids.parent, {}))
"""
"""What stages do."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("accounts")


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    settings = {
        "MLFLOW_STORE": str(folder / "mlflow"),
        "MLFLOW_ACCOUNTS": str(folder / "passwords"),
        "CATALOG_MODEL_CACHE": str(folder / "models"),
        **dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:1"),  # which leads nowhere
    }
    ports = Ports(redis=free_port(), api=free_port(), mlflow=free_port())
    with Stack(ROOT, folder / "stack", ports, settings) as running:
        yield running


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def admin(stack: Stack, folder: Path) -> Iterator[httpx.Client]:
    """MLflow, as the person who administers it has it."""
    with httpx.Client(base_url=f"http://127.0.0.1:{stack.ports.mlflow}", timeout=60) as client:
        client.auth = ("admin", (folder / "passwords/admin-password").read_text())
        yield client


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    """Another than the one that serves without a champion."""
    return another(Bundle.load(local_bundle()), folder / "bundle", 0.5)


def _stage(stack: Stack, bundle: Bundle, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", REGISTER, str(bundle.folder)]
    return subprocess.run(command, cwd=ROOT, env={**stack.env, **env}, capture_output=True, text=True, check=False)


def _logged(admin: httpx.Client, job: str) -> bool:
    """Whether MLflow has a run of this job."""
    named = {"experiment_name": "rakuten-prediction-api"}
    experiment = admin.get("/api/2.0/mlflow/experiments/get-by-name", params=named)
    if experiment.status_code == httpx.codes.NOT_FOUND:
        return False
    asked = {
        "experiment_ids": [experiment.raise_for_status().json()["experiment"]["experiment_id"]],
        "filter": f"tags.job = '{job}' and attributes.status = 'FINISHED'",
    }
    return bool(admin.post("/api/2.0/mlflow/runs/search", json=asked).raise_for_status().json().get("runs"))


def _classified(api: httpx.Client) -> dict[str, Any]:
    items = {"items": [{"id": "1", "title": "Piscine gonflable"}]}
    job = finished(api, api.post("/v1/jobs", json=items).raise_for_status().json()["url"])
    assert job["counts"]["succeeded"] == 1
    return job


def test_nobody_gets_in_without_an_account(stack: Stack, admin: httpx.Client) -> None:
    page = f"http://127.0.0.1:{stack.ports.mlflow}/"
    assert httpx.get(page).status_code == httpx.codes.UNAUTHORIZED
    assert httpx.get(page, auth=("admin", "password1234")).status_code == httpx.codes.UNAUTHORIZED
    assert httpx.get(f"{page}health").is_success  # what a container's health check asks
    assert "MLflow" in admin.get("/").raise_for_status().text


def test_a_training_registers_and_the_service_promotes_and_serves(
    stack: Stack, api: httpx.Client, admin: httpx.Client, bundle: Bundle
) -> None:
    """By the courier's, a worker's and a stage's own ways to MLflow."""
    registered = _stage(stack, bundle, {})
    assert "version 1" in registered.stdout, registered.stderr
    wait_for("the courier has copied the registry", lambda: api.get("/v1/models").json()["models"])
    promoted = api.post("/v1/models/1/promote", json={"force": True, "reason": "a test"}).raise_for_status().json()
    assert promoted["champion"] == "1"
    wait_for("a worker serves it", lambda: api.get("/health").json()["bundles"] == [bundle.id])
    assert api.post("/v1/models/rollback", json={"reason": "a test"}).raise_for_status().json()["champion"] is None
    job = _classified(api)
    wait_for("the job is logged", lambda: _logged(admin, job["id"]))


def test_the_services_account_administers_no_accounts_and_others_only_look(stack: Stack, admin: httpx.Client) -> None:
    reader = {"username": "reader", "password": "a password of a person"}
    create = "/api/2.0/mlflow/users/create"
    service = ("catalog", stack.env["CATALOG_MLFLOW_PASSWORD"])
    assert admin.post(create, json=reader, auth=service).status_code == httpx.codes.FORBIDDEN
    admin.post(create, json=reader).raise_for_status()
    person = (reader["username"], reader["password"])
    model = {"name": "rakuten-classification"}
    assert admin.get("/api/2.0/mlflow/registered-models/get", params=model, auth=person).is_success
    alias = {**model, "alias": "champion", "version": "1"}
    refused = admin.post("/api/2.0/mlflow/registered-models/alias", json=alias, auth=person)
    assert refused.status_code == httpx.codes.FORBIDDEN


def test_a_refused_account_fails_no_item_and_names_its_settings(
    stack: Stack, api: httpx.Client, admin: httpx.Client
) -> None:
    stack.process("courier").stop()
    stack.start_courier(WRONG)
    warning = wait_for("health warns", lambda: api.get("/health").json()["warnings"])
    assert f"model registry: MLflow refuses the account 'catalog': {SETTINGS}" in warning[0]
    assert api.get("/health").json()["status"] == "warn"
    job = _classified(api)
    refused = api.post("/v1/models/1/promote", json={"force": True, "reason": "a test"})
    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert SETTINGS in refused.json()["detail"]
    log = stack.process("courier").log
    wait_for("it says why it logs no job", lambda: f"job {job['id']} is not logged to MLflow yet" in log.read_text())
    assert not _logged(admin, job["id"])

    stack.process("courier").stop()
    stack.start_courier()
    wait_for("nothing is wrong any more", lambda: api.get("/health").json()["status"] == "pass")


@pytest.mark.parametrize(
    ("env", "said"), [(WRONG, SETTINGS), ({"CATALOG_MLFLOW_PASSWORD": ""}, "CATALOG_MLFLOW_PASSWORD is not set")]
)
def test_a_stage_with_a_refused_account_ends_with_a_sentence(
    stack: Stack, bundle: Bundle, env: dict[str, str], said: str
) -> None:
    ended = _stage(stack, bundle, env)
    assert ended.returncode == 1
    assert said in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_no_log_has_a_password(stack: Stack, folder: Path) -> None:
    passwords = [path.read_text() for path in (folder / "passwords").iterdir()]
    assert len(passwords) == 2
    for log in stack.state.glob("*.log"):
        assert not [password for password in passwords if password in log.read_text()], log


def test_a_server_without_a_password_does_not_start_and_says_so(tmp_path: Path) -> None:
    env = {**os.environ, "MLFLOW_STORE": str(tmp_path), "MLFLOW_ACCOUNTS": str(tmp_path / "none")}
    server = Process("mlflow", ["bash", str(ROOT / "start_mlflow.sh")], tmp_path / "log", env, ROOT)
    try:
        wait_for("it ends", lambda: not server.running)
    finally:
        server.stop()
    assert "MLFLOW_ACCOUNTS: the password of the account 'admin' cannot be read" in server.tail()
