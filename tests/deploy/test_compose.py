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
    assert services["secrets"]["command"][-1] == "redis"
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


def test_only_a_proxy_is_reached_from_other_machines(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    del published["proxy"]
    for name, ports in published.items():
        assert all(port.startswith(("127.0.0.1:", "${CATALOG_API_BIND:-127.0.0.1}:")) for port in ports), name
