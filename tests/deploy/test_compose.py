"""The Dockerfile and docker-compose.yml: linted, by their schema, and in agreement with the settings."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import AuthenticationError, Redis

from shared.settings import Settings
from stack import provision
from stack.processes import Process, free_port
from stack.redis_server import server_command
from tests.deploy.workflows import run

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def lint(dockerfile: str) -> str:
    ran = subprocess.run(["hadolint", "-"], input=dockerfile, capture_output=True, text=True, check=False)
    return ran.stdout


def test_hadolint_finds_nothing() -> None:
    assert lint(DOCKERFILE.read_text()) == ""
    assert "DL3006" in lint("FROM python\nRUN cd /tmp\n")


def test_every_package_of_an_image_is_locked() -> None:
    """With its hashes; a package that a lock lacks would be installed in any version."""
    asked = re.findall(r"python /requirements.py ([a-z0-9 -]+) > /requirements/([a-z-]+).txt", DOCKERFILE.read_text())
    assert {image for _, image in asked} >= {"api", "worker", "worker-gpu", "training", "mlflow", "flower"}
    for extras, image in asked:
        lock = (ROOT / ("requirements-gpu.lock" if image == "worker-gpu" else "requirements.lock")).read_text()
        told = subprocess.run(
            [sys.executable, "deploy/containers/requirements.py", *extras.split()],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        for requirement in told.stdout.splitlines():
            name = re.split(r"[^A-Za-z0-9_.-]", requirement)[0]
            assert re.search(rf"^{name}(\[.*])?==", lock, re.MULTILINE), f"{image}: {name}"


def test_compose_follows_its_schema(tmp_path: Path) -> None:
    check = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    assert run(*check, str(ROOT / "docker-compose.yml")).returncode == 0
    bad = tmp_path / "docker-compose.yml"
    bad.write_text("services: {redis: {image: redis, port: 6379}}")
    assert "port" in run(*check, str(bad)).stdout


def test_what_it_sets_are_settings(services: dict[str, Any]) -> None:
    known = {f"CATALOG_{name.upper()}" for name in Settings.model_fields} | {"CATALOG_URL"}
    given = {name for service in services.values() for name in service.get("environment", {})}
    assert {name for name in given if name.startswith("CATALOG_")} <= known


def test_the_stack_is_what_was_promised(services: dict[str, Any]) -> None:
    default = {name for name, service in services.items() if "profiles" not in service}
    assert default >= {"redis", "mlflow", "model-api", "worker", "training-worker", "beat", "courier"}
    assert {profile for service in services.values() for profile in service.get("profiles", [])} == {
        "demo",
        "gpu",
        "monitoring",
        "postgres",
        "proxy",
        "s3",
    }


def test_foreign_images_have_a_version(services: dict[str, Any]) -> None:
    foreign = [service["image"] for service in services.values() if "build" not in service]
    assert foreign
    for image in foreign:
        assert re.search(r":-[a-z/]+:v?\d[\w.-]*}$", image), image


def test_a_container_takes_a_bounded_part_of_the_memory(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "mem_limit" not in service] == []
    command, limit = services["redis"]["command"], services["redis"]["mem_limit"]
    assert (command[command.index("--maxmemory") + 1], limit) == ("${REDIS_MAXMEMORY:-1gb}", "${REDIS_MEMORY:-2gb}")


def test_the_proxy_shares_a_network_with_what_it_leads_to_and_nothing_else(services: dict[str, Any]) -> None:
    proxy = set(services["proxy"]["networks"])
    reached = {name for name, service in services.items() if proxy & set(service.get("networks", ["default"]))}
    assert reached == {"proxy", "model-api", "mlflow"}


def test_redis_has_a_password_that_whoever_uses_it_can_read(services: dict[str, Any]) -> None:
    access = "access:/run/access:ro"
    needing = {name for name, service in services.items() if "CATALOG_REDIS_URL" in service.get("environment", {})}
    assert needing >= {"model-api", "worker", "beat", "courier", "training-worker", "flower", "observe-key", "demo"}
    having = {name for name, service in services.items() if access in service.get("volumes", [])}
    assert having == {*needing, "redis"}
    assert "redis" in services["secrets"]["command"]
    assert services["redis"]["command"][:2] == ["redis-server", "/run/access/redis.conf"]


def test_redis_with_the_provided_password_serves_the_settings_alone(tmp_path: Path) -> None:
    """The files that the container `secrets` makes, with a real server; a second start keeps the password."""
    provision.redis(tmp_path / "access")
    provision.redis(tmp_path / "access")
    port = free_port()
    command = server_command(port, tmp_path)
    command.insert(1, str(tmp_path / "access/redis.conf"))
    server = Process("redis", command, tmp_path / "redis.log", {}, tmp_path)
    try:
        server.wait_until(lambda: "Ready to accept connections" in server.tail(), timeout_s=30)
        with pytest.raises(AuthenticationError):
            Redis(port=port).ping()
        settings = Settings(_env_file=None, _secrets_dir=str(tmp_path / "access"))
        for url, database in ((settings.redis_url, 0), (settings.broker_url, 1)):
            assert url.endswith(f"@redis:6379/{database}")
            assert Redis.from_url(url.replace("redis:6379", f"127.0.0.1:{port}")).ping()
    finally:
        server.stop()


def test_only_mlflows_server_can_read_the_passwords_of_its_accounts(services: dict[str, Any]) -> None:
    mounts = {
        name: [v for v in service.get("volumes", []) if "mlflow-accounts" in v] for name, service in services.items()
    }
    assert {name: found for name, found in mounts.items() if found} == {
        "secrets": ["mlflow-accounts:/run/mlflow"],
        "mlflow": ["mlflow-accounts:/run/mlflow:ro"],
    }
    assert "mlflow" in services["secrets"]["command"]
    assert "access:/run/access:ro" not in services["mlflow"]["volumes"], "it needs nothing of Redis"
    assert "MLFLOW_ACCOUNTS=/run/mlflow" in DOCKERFILE.read_text()


def test_the_settings_read_the_provided_password_of_the_services_account_alone(tmp_path: Path) -> None:
    """A second start keeps it; a lost copy is made again."""
    passwords = set()
    for _ in range(2):
        provision.mlflow(tmp_path / "mlflow", tmp_path / "access")
        password = Settings(_env_file=None, _secrets_dir=str(tmp_path / "access")).mlflow_password
        assert password is not None
        assert password.get_secret_value() == (tmp_path / "mlflow/service-password").read_text()
        (copy,) = (tmp_path / "access").iterdir()
        assert copy.stat().st_mode & 0o077 == 0
        copy.unlink()
        passwords.add(password.get_secret_value())
    assert len(passwords) == 1
    assert (tmp_path / "mlflow/admin-password").read_text() not in passwords


def test_grafana_starts_with_a_password_that_nobody_knows(services: dict[str, Any]) -> None:
    environment = services["grafana"]["environment"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"] == str(provision.GRAFANA / "admin-password")
    assert "GF_SECURITY_ADMIN_PASSWORD" not in environment, "Grafana refuses both"
    having = {name for name, service in services.items() if "grafana-accounts" in str(service.get("volumes"))}
    assert having == {"grafana", "grafana-password"}
    assert services["grafana-password"]["command"] == ["python", "-m", "stack.provision", "grafana"]
    assert services["grafana-password"]["environment"] == {"GRAFANA_PASSWORD": None}
    assert services["grafana"]["depends_on"]["grafana-password"] == {"condition": "service_completed_successfully"}
    assert str(provision.GRAFANA) in DOCKERFILE.read_text()


def test_grafanas_password_is_the_operators_or_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def password() -> str:
        provision.grafana(tmp_path)
        return (tmp_path / "admin-password").read_text()

    monkeypatch.setenv("GRAFANA_PASSWORD", "")
    made = password()
    assert len(made) == 64
    assert password() == made
    monkeypatch.setenv("GRAFANA_PASSWORD", "the operator's")
    assert password() == "the operator's"
    monkeypatch.delenv("GRAFANA_PASSWORD")
    assert password() == "the operator's"


def test_the_documented_backup_reaches_what_it_saves(services: dict[str, Any]) -> None:
    text = (ROOT / "docs/deployment.md").read_text()
    (saver,) = re.findall(r"(\S+) catalog-run backup", text)
    assert {"data:/data", "access:/run/access:ro"} <= set(services[saver]["volumes"])
    stores = {"CATALOG_BLOB_URL", "CATALOG_LABELS_URL", "CATALOG_PROTECTED_SET", "CATALOG_MLFLOW_TRACKING_URI"}
    assert stores <= set(services[saver]["environment"])
    packers = re.findall(r"-T (\S+) tar -C (\S+) -([cx])f -", text)
    assert sorted(way for _, _, way in packers) == ["c", "x"]
    for packer, folder, _ in packers:
        assert f"secrets:{folder}" in services[packer]["volumes"]


def test_no_container_looks_for_another_one_through_a_proxy(services: dict[str, Any]) -> None:
    """Docker's client can have proxies for all containers in its configuration."""
    told = {name: set(re.findall(r"https?://([a-z0-9-]+):", str(service))) for name, service in services.items()}
    asked = {host for hosts in told.values() for host in hosts if host in services} | {"s3"}
    assert asked == {"mlflow", "model-api", "s3"}
    without_network = {"secrets", "repository", "grafana-password"}
    asking = {name for name, service in services.items() if "build" in service} - without_network
    for name in {*asking, "proxy"}:
        environment = services[name]["environment"]
        assert asked <= set(environment["NO_PROXY"].partition("$")[0].split(",")), name
        assert environment["no_proxy"] == environment["NO_PROXY"]


def test_only_a_proxy_is_reached_from_other_machines(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    del published["proxy"]
    for name, ports in published.items():
        assert all(port.startswith(("127.0.0.1:", "${CATALOG_API_BIND:-127.0.0.1}:")) for port in ports), name
