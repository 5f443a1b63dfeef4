"""The service reaches Redis as operators run it, and says which setting is wrong if it cannot."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis import ConnectionError as RedisConnectionError
from redis import Redis, RedisError

from api.app import create_app
from shared.queues import Lane, celery_app, messages_waiting, wake
from shared.settings import ROOT, Settings
from shared.stores.opening import open_broker, open_redis
from shared.stores.redis_check import unusable_settings
from shared.tenants.api_keys import KeyStore, Scope
from stack.processes import free_port
from stack.receiver import WebhookReceiver
from tests.faults.conftest import client, stack_in
from tests.faults.work import completed_once, submitted, texts
from tests.http import client_of
from tests.redis_servers import Sentinels, Server, server
from tests.tls_proxy import Certificates, tls_proxy

SECRET = "pass-word-of-redis"
RULE = next(
    line.strip().removeprefix("user catalog on >PASSWORD ")
    for line in (ROOT / "docs/running.md").read_text(encoding="utf-8").splitlines()
    if line.strip().startswith("user catalog on ")
)
"""What the documented account may do."""


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Server]:
    """A server with a socket, whose account `catalog` has the documented rights, and `idle` none."""
    accounts = tmp_path / "users.acl"
    accounts.write_text(
        f"user default on nopass ~* &* +@all\nuser catalog on >{SECRET} {RULE}\nuser idle on >{SECRET} +info +ping\n"
    )
    with server(tmp_path, aclfile=str(accounts), unixsocket=str(tmp_path / "redis.sock")) as running:
        yield running


def test_service_runs_over_a_socket_with_the_documented_rights(secured: Server, tmp_path: Path) -> None:
    place = f"unix://catalog:{SECRET}@{tmp_path}/redis.sock?db="
    urls = {"CATALOG_REDIS_URL": f"{place}0", "CATALOG_BROKER_URL": f"{place}1"}
    assert unusable_settings(Settings(redis_url=f"{place}0", broker_url=f"{place}1")) == []
    with closing(stack_in(tmp_path / "stack", urls)) as stack, client(stack) as api:
        stack.start_service()
        with WebhookReceiver(stack.webhook_secret) as receiver:
            job = submitted(api, texts(20), webhook_url=receiver.url)
            completed_once(api, job)
            assert receiver.received.get(timeout=30)["data"]["id"] == job["id"]
        assert api.post("/predict", json={"description": "Piscine gonflable"}).status_code == 200
        assert api.get("/metrics").status_code == 200
        keys = [sys.executable, "-m", "api.access.keys_cli", "create", "--tenant", "acme", "--scope", "classify"]
        subprocess.run(keys, env=stack.env, check=True, stdout=subprocess.DEVNULL)
    with Redis(port=secured.port) as redis:
        assert redis.acl_log() == []
        assert all(key.startswith(b"catalog:") for key in redis.scan_iter())


def test_connections_with_tls_check_the_server_and_show_a_certificate(secured: Server, tmp_path: Path) -> None:
    own = Certificates.made(tmp_path / "own")
    with tls_proxy(secured.port, own) as port:
        place = f"rediss://catalog:{SECRET}@127.0.0.1:{port}"
        files = f"?ssl_ca_certs={own.authority}&ssl_certfile={own.client}"
        settings = Settings(redis_url=f"{place}/0{files}", broker_url=f"{place}/1{files}", predict_timeout_s=1)
        _is_used(settings)
        (problem, _) = unusable_settings(Settings(redis_url=f"{place}/0", broker_url=f"{place}/1"))
        assert problem.startswith("CATALOG_REDIS_URL: the server's certificate is not trusted")
        assert "ssl_ca_certs=FILE" in problem
        by_name = settings.redis_url.replace("127.0.0.1", "localhost")
        (problem,) = unusable_settings(settings.model_copy(update={"redis_url": by_name}))
        assert "is not for this host" in problem
        assert unusable_settings(settings.model_copy(update={"redis_url": f"{by_name}&ssl_check_hostname=false"})) == []
        anonymous = Settings(redis_url=f"{place}/0?ssl_ca_certs={own.authority}")
        with open_redis(anonymous) as redis, pytest.raises(RedisError):
            redis.ping()


def test_sentinels_say_where_the_server_is(tmp_path: Path) -> None:
    with Sentinels(tmp_path, password=SECRET) as group:
        _is_used(Settings(redis_url=group.url(0), broker_url=group.url(1), predict_timeout_s=1))
        wrong = {
            "the sentinels know no service of the name in this address; they watch: jobs": ("/jobs/", "/other/"),
            "a sentinel: Redis refuses the user or the password": (f"sentinel-{SECRET}", f"other-{SECRET}"),
            "Redis refuses the user or the password": (f":{SECRET}@", f":other-{SECRET}@"),
        }
        for reason, (part, other) in wrong.items():
            url = group.url(0).replace(part, other)
            (problem,) = unusable_settings(Settings(redis_url=url, broker_url=group.url(1)))
            assert problem.startswith(f"CATALOG_REDIS_URL: {reason}")
            assert SECRET not in problem


def _is_used(settings: Settings) -> None:
    """The API accepts a job, waits for it and limits a caller; the job's wake-up reaches Celery."""
    assert unusable_settings(settings) == []
    with open_redis(settings) as redis:
        _, key = KeyStore(redis).create("acme", [Scope.CLASSIFY], "", by="test")
    with client_of(create_app(settings), key=key) as api:
        job = api.post("/v1/jobs", json={"items": [{"id": "1", "title": "Lampe"}]})
        assert job.status_code == 202
        assert "r=599" in job.headers["RateLimit"]
        assert api.get(job.json()["url"], params={"wait": 1}).json()["state"] == "queued"
        assert api.post("/predict", json={"description": "Lampe"}).status_code == 504
    app = celery_app(settings)
    wake(app, Lane.BULK)
    with open_broker(settings) as broker:
        assert messages_waiting(broker)[Lane.BULK] == 1
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        assert channel.basic_get(Lane.BULK.value) is not None


@pytest.mark.parametrize(
    ("account", "database", "reason"),
    [
        (f"catalog:other-{SECRET}", 0, "Redis refuses the user or the password of this address"),
        (f"idle:{SECRET}", 0, "the user of this address lacks a permission"),
        (f"catalog:{SECRET}", 99, "Redis has no database with the number at the end of this address"),
    ],
)
def test_process_with_an_unusable_address_does_not_start_and_says_why(
    secured: Server, account: str, database: int, reason: str
) -> None:
    place = f"127.0.0.1:{secured.port}"
    urls = {
        "CATALOG_REDIS_URL": f"redis://catalog:{SECRET}@{place}/0",
        "CATALOG_BROKER_URL": f"redis://{account}@{place}/{database}",
    }
    command = [str(Path(sys.executable).with_name("catalog-run")), "worker"]
    ran = subprocess.run(command, cwd=ROOT, env={**os.environ, **urls}, check=False, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"catalog-run: CATALOG_BROKER_URL: {reason}")
    assert SECRET not in ran.stderr


def test_redis_cluster_is_refused(tmp_path: Path) -> None:
    with server(tmp_path, cluster_enabled="yes") as running:
        url = f"redis://127.0.0.1:{running.port}"
        jobs, messages = unusable_settings(Settings(redis_url=f"{url}/0", broker_url=f"{url}/1"))
        assert jobs.startswith("CATALOG_REDIS_URL: this is a Redis Cluster, which is not supported")
        assert messages.startswith("CATALOG_BROKER_URL: ")
        assert "Redis Cluster" in messages


def test_server_that_is_away_is_waited_for() -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    assert unusable_settings(Settings(redis_url=url, broker_url=url)) == []


def test_former_primary_ends_the_connection(tmp_path: Path) -> None:
    """So that the next one leads to its successor, where a name or a proxy stands for whichever server is in charge."""
    with server(tmp_path) as running, open_redis(Settings(redis_url=f"redis://127.0.0.1:{running.port}")) as redis:
        before = redis.client_id()
        with Redis(port=running.port) as operator:
            operator.replicaof("127.0.0.1", str(free_port()))
            with pytest.raises(RedisConnectionError):
                redis.set("catalog:a", "1")
            operator.replicaof("NO", "ONE")
        assert redis.set("catalog:a", "1")
        assert redis.client_id() != before
