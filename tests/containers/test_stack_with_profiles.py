"""The same stack with all its profiles but the GPU's: monitoring, S3, PostgreSQL, a proxy. It is last: it stays so."""

import os
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from stack.processes import free_port
from stack.services import ROOT
from tests.containers.conftest import Compose
from tests.containers.test_stack import wait_until

pytestmark = pytest.mark.timeout(900)

STAND_INS = {
    "PROMETHEUS_IMAGE": "prometheus",
    "POSTGRES_IMAGE": "postgres",
    "S3_IMAGE": "s3",
    "PROXY_IMAGE": "proxy",
}
"""Where there is no registry, the targets of `stand_ins/Dockerfile` take these images' places; Grafana has none."""


@pytest.fixture(scope="module")
def full(compose: Compose) -> Compose:
    """Jobs, key and secrets are those of the previous stack, which is changed and not replaced."""
    stand_ins = bool(os.environ.get("CATALOG_STAND_INS"))
    images = {name: stand_in(target) for name, target in STAND_INS.items()} if stand_ins else {}
    ports = {name: str(free_port()) for name in ("PROMETHEUS_PORT", "FLOWER_PORT", "GRAFANA_PORT")}
    ports |= {"PROXY_HTTP_PORT": str(free_port()), "PROXY_HTTPS_PORT": str(free_port())}
    proxy = {"API_HOSTNAME": "localhost", "MLFLOW_HOSTNAME": "mlflow.localhost"}
    full = replace(compose, env={**compose.env, **images, **ports, **proxy})
    for service in ("postgres", "s3"):
        full.env |= settings(ROOT / f"deploy/compose/{service}.env")
    full.env["COMPOSE_PROFILES"] = "monitoring,postgres,proxy,s3"
    services = full.run("config", "--services").split()
    # Compose takes what has ended for a failure unless something that it starts has waited for it.
    left_out = {"grafana", "grafana-password"} if stand_ins else set()
    full.run("up", "--build", "--wait", *(name for name in services if name not in left_out))
    return full


def settings(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def stand_in(target: str) -> str:
    image = f"catalog-stand-in:{target}"
    folder = Path(__file__).parent / "stand_ins"
    subprocess.run(["docker", "build", "--quiet", "--target", target, "--tag", image, folder], check=True)
    return image


def test_prometheus_finds_every_process_and_knows_the_rules(full: Compose) -> None:
    url = f"http://127.0.0.1:{full.env['PROMETHEUS_PORT']}/api/v1"

    def up() -> dict[str, str]:
        targets = httpx.get(f"{url}/targets").json()["data"]["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in targets}

    wait_until(lambda: len(up()) > 4 and set(up().values()) == {"up"})
    groups = httpx.get(f"{url}/rules").json()["data"]["groups"]
    assert sum(len(group["rules"]) for group in groups) > 10
    query = {"query": 'sum(catalog_items_total{status="succeeded"})'}
    wait_until(lambda: bool(httpx.get(f"{url}/query", params=query).json()["data"]["result"]))


def test_flower_sees_the_workers(full: Compose) -> None:
    answer = httpx.get(f"http://127.0.0.1:{full.env['FLOWER_PORT']}/healthcheck")
    assert answer.is_success


def test_pictures_go_through_s3(full: Compose) -> None:
    assert full.run("exec", "worker", "printenv", "CATALOG_BLOB_URL").strip() == "s3://catalog/blobs"
    said = full.run("run", "--rm", "--no-TTY", "demo", "27")
    assert "its signature is right: job.completed {'total': 27, 'pending': 0, 'succeeded': 27" in said


def test_mlflow_keeps_its_records_in_postgresql_and_artifacts_in_s3(full: Compose) -> None:
    script = """
import mlflow
from shared.registry.mlflow import prepare_client
prepare_client()
mlflow.set_experiment("profiles")
with mlflow.start_run():
    mlflow.log_metric("f1", 0.8)
    mlflow.log_text("kept", "note.txt")
    print(mlflow.artifacts.load_text(mlflow.get_artifact_uri("note.txt")))
"""
    env = ("--env", "MLFLOW_TRACKING_URI=http://mlflow:5001")
    assert full.run("exec", *env, "training-worker", "python", "-c", script).splitlines().count("kept") == 1
    for table, rows in (("runs", 1), ("users", 2)):
        count = (
            "psql",
            "--username",
            "mlflow",
            "--tuples-only",
            "--command",
            f"select count(*) from {table}",
            "mlflow",
        )
        assert int(full.run("exec", "--env", "PGPASSWORD=mlflow", "postgres", *count)) >= rows


def test_the_proxy_speaks_https_and_mlflow_behind_it_asks_for_an_account(full: Compose) -> None:
    own = ssl.create_default_context(cadata=authority(full))
    api = f"https://localhost:{full.env['PROXY_HTTPS_PORT']}"
    with httpx.Client(verify=own) as client:
        wait_until(lambda: client.get(f"{api}/health/ready").is_success)
        without_key = client.get(f"{api}/v1/trainings")
        assert without_key.status_code == httpx.codes.UNAUTHORIZED
        assert "max-age" in without_key.headers["Strict-Transport-Security"]
        assert client.get(f"{api}/metrics", headers=full.headers).status_code == httpx.codes.NOT_FOUND

        mlflow, name = f"https://127.0.0.1:{full.env['PROXY_HTTPS_PORT']}", "mlflow.localhost"
        headers, sni = {"Host": name}, {"sni_hostname": name}
        refused = client.get(mlflow, headers=headers, extensions=sni)
        assert refused.status_code == httpx.codes.UNAUTHORIZED
        account = ("admin", full.run("exec", "mlflow", "cat", "/run/mlflow/admin-password").strip())
        served = client.get(mlflow, headers=headers, extensions=sni, auth=account)
        assert served.is_success
        assert "MLflow" in served.text


def authority(full: Compose) -> str:
    """Caddy's own, which signs for names that no public one would."""
    return full.run("exec", "proxy", "cat", "/data/caddy/pki/authorities/local/root.crt")
