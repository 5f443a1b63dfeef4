"""An API process over a Redis of its own, spoken to over sockets."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis import Redis

from shared.settings import ROOT
from shared.tenants.api_keys import KeyStore, Scope
from stack import redis_server
from stack.processes import Process, free_port
from stack.roles import Role, command
from tests.integration.connections.sockets import Server


@dataclass(frozen=True)
class Service:
    process: Process
    server: Server
    redis: Redis
    keys: KeyStore
    key: str
    """With all scopes."""

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def resident_mb(self) -> int:
        return self.server.resident_bytes(self.process.pid) // 10**6


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("service"), {"CATALOG_MAX_HELD_REQUESTS": "20"}) as service:
        yield service


@contextmanager
def running(folder: Path, settings: Mapping[str, str]) -> Iterator[Service]:
    """Run an API process with these further settings, and a Redis."""
    redis_port, port = free_port(), free_port()
    redis_process = Process("redis", redis_server.server_command(redis_port, folder), folder / "redis.log", {}, folder)
    redis_server.wait_for(redis_process, redis_port)
    env = {
        "PATH": "/usr/bin:/bin",
        "CATALOG_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "CATALOG_BROKER_URL": f"redis://127.0.0.1:{redis_port}/1",
        "CATALOG_BLOB_URL": f"file://{folder}/blobs",
        "CATALOG_LABELS_URL": f"file://{folder}/labels",
        "CATALOG_RATE_LIMIT": "100000/minute",
        "CATALOG_CONFIRM_ON_DISK": "false",
        **settings,
    }
    # The soft limit that a login shell has on most systems.
    line = ["/bin/bash", "-c", 'ulimit -Sn 1024 && exec "$@"', "api", *command(Role.API), "--port", str(port)]
    api = Process("api", line, folder / "api.log", env, ROOT)
    try:
        redis = Redis(port=redis_port)
        keys = KeyStore(redis)
        _, key = keys.create("shop", set(Scope))
        server = Server(port)
        api.wait_until(server.answers, timeout_s=60)
        yield Service(api, server, redis, keys, key)
    finally:
        api.stop()
        redis_process.stop()


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    """A caller with a key."""
    with httpx.Client(base_url=service.server.url, headers=service.authorization, timeout=30) as client:
        yield client
