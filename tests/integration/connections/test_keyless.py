"""The service without a key, over sockets: whom it takes for a caller on its own machine."""

import os
import pty
import re
import subprocess
from collections.abc import Iterator

import pytest
from redis import Redis

from shared.settings import ROOT
from stack.processes import Process, free_port
from stack.roles import Role, command
from tests.integration.connections.sockets import Answer, Server, head


@pytest.fixture
def env(redis_port: int, redis: Redis) -> dict[str, str]:
    """An API's environment, over an empty Redis."""
    url = f"redis://127.0.0.1:{redis_port}"
    return {"PATH": "/usr/bin:/bin", "CATALOG_REDIS_URL": f"{url}/0", "CATALOG_BROKER_URL": f"{url}/1"}


@pytest.fixture
def keyless(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(free_port())
    log = tmp_path_factory.mktemp("keyless") / "api.log"
    process = Process("api", [*command(Role.API), "--port", str(server.port)], log, env, ROOT)
    try:
        process.wait_until(server.answers, timeout_s=60)
        yield server
    finally:
        process.stop()


def _asked(server: Server, version: str = "1.1", headers: dict[str, object] | None = None) -> Answer:
    return server.ask(head("GET", "/v1/models", {"Connection": "close", **(headers or {})}, version))


def test_http_1_0_that_closes_its_connection_is_a_proxy(keyless: Server) -> None:
    """nginx's plain `proxy_pass` speaks it, with the upstream's name as Host and no header of its own."""
    assert _asked(keyless).status == 200
    refused = _asked(keyless, version="1.0")
    assert (refused.status, refused.problem) == (403, "loopback-only")
    caller = keyless.ask(head("GET", "/v1/models", {}, "1.0"))
    assert (caller.status, "transfer-encoding" in caller.headers) == (200, False)


@pytest.mark.parametrize("headers", [{"X-Client-IP": "203.0.113.9"}, {"Sec-Fetch-Site": "cross-site"}])
def test_proxies_and_foreign_pages_are_refused(keyless: Server, headers: dict[str, object]) -> None:
    refused = _asked(keyless, headers=headers)
    assert (refused.status, refused.problem) == (403, "loopback-only")


def test_a_terminal_shows_in_red_that_there_is_no_key(env: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    line = [*command(Role.API), "--port", str(free_port())]
    with subprocess.Popen(line, env=env, cwd=ROOT, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while not (red := re.search(rb"\x1b\[1;31mno API key exists: .*\x1b\[0m", shown)):
            shown += os.read(ours, 65536)  # fails at the process's end
        process.terminate()
        while process.poll() is None:
            try:
                os.read(ours, 65536)
            except OSError:
                break
    os.close(ours)
    assert b"every user and program here may do everything" in red[0]
