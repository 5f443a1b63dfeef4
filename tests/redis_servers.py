"""Redis servers that a test starts as an operator would: with accounts, a socket, replicas and sentinels, TLS."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis

from stack import redis_server
from stack.processes import Process, free_port
from tests.waiting import wait_for

SERVICE = "jobs"
"""What the sentinels call the primary and its replica."""
SENTINELS = 3


class Server:
    """One Redis server in a folder of its own."""

    def __init__(self, folder: Path, name: str, **options: str) -> None:
        self.folder, self.port = folder / name, free_port()
        self.folder.mkdir(parents=True)
        given = chain.from_iterable((f"--{key.replace('_', '-')}", value) for key, value in options.items())
        self._command = [*redis_server.server_command(self.port, self.folder), *given]
        self.start()

    def start(self, *options: str) -> None:
        self.process = Process("redis", [*self._command, *options], self.folder / "redis.log", os.environ, self.folder)
        self.process.wait_until(lambda: "eady to accept connections" in self.process.tail(200), timeout_s=20)


class Sentinels:
    """A primary, a replica, and three sentinels that make the replica the primary if the primary is away.

    Args:
        down_after_ms: For how long the primary must be silent.
        password: Of the servers and, with `sentinel-` in front, of the sentinels; none by default.
    """

    def __init__(self, folder: Path, down_after_ms: int = 1000, password: str = "") -> None:
        self._exit = ExitStack()
        self._folder, self._password = folder, password
        self._down_after_ms = down_after_ms
        self.servers: list[Server] = []
        self.ports: list[int] = []
        """Where the sentinels listen."""

    def __enter__(self) -> Self:
        secret = {"requirepass": self._password, "masterauth": self._password} if self._password else {}
        # A primary that restarts as such must not be taken for the one that the sentinels chose.
        common = {"repl_diskless_sync_delay": "0", "repl_ping_replica_period": "1", **secret}
        primary = self._server("primary", common)
        self._server("replica", {**common, "replicaof": f"127.0.0.1 {primary.port}"})
        for number in range(SENTINELS):
            self._start_sentinel(number, primary.port)
        wait_for("the replica is known to every sentinel", self._complete, timeout_s=30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def url(self, database: int, *, query: str = "") -> str:
        """The address of the service as the settings take it."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        user = f":{self._password}@" if self._password else ""
        if self._password:
            query = f"?sentinel_password=sentinel-{self._password}"
        return f"redis+sentinel://{user}{hosts}/{SERVICE}/{database}{query}"

    def primary(self) -> Server:
        """The server that most sentinels take for the primary."""
        ports = [self._named(port) for port in self.ports]
        port = max(set(ports), key=ports.count)
        return next(server for server in self.servers if server.port == port)

    def rejoined(self, server: Server, *, as_replica: bool = False) -> None:
        """Start the server again, and wait until it follows the new primary.

        Args:
            as_replica: It is told at its start. Otherwise the sentinels tell it, some 20 s later.
        """
        server.start(*(("--replicaof", f"127.0.0.1 {self.primary().port}") if as_replica else ()))
        with self.client(server) as redis:
            wait_for("it is a replica that has all data", lambda: _follows(redis), timeout_s=60)
        wait_for("the sentinels count a replica", self._complete, timeout_s=60)

    def client(self, server: Server) -> Redis:
        return Redis(port=server.port, password=self._password or None)

    def _server(self, name: str, options: dict[str, str]) -> Server:
        server = Server(self._folder, name, **options)
        self._exit.callback(lambda: server.process.kill())
        self.servers.append(server)
        return server

    def _start_sentinel(self, number: int, primary: int) -> None:
        folder, port = self._folder / f"sentinel-{number}", free_port()
        folder.mkdir()
        lines = [
            "bind 127.0.0.1",
            f"port {port}",
            f"dir {folder}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary} 2",
            f"sentinel down-after-milliseconds {SERVICE} {self._down_after_ms}",
            f"sentinel failover-timeout {SERVICE} 3000",
        ]
        if self._password:
            lines += [f"sentinel auth-pass {SERVICE} {self._password}", f"requirepass sentinel-{self._password}"]
            lines += [f"sentinel sentinel-pass sentinel-{self._password}"]
        config = folder / "sentinel.conf"
        config.write_text("\n".join(lines) + "\n")
        command = [redis_server.find_server(), str(config), "--sentinel"]
        process = Process("sentinel", command, folder / "sentinel.log", os.environ, folder)
        self._exit.callback(process.kill)
        self.ports.append(port)
        process.wait_until(lambda: "+monitor" in process.tail(200), timeout_s=20)

    def _sentinel(self, port: int) -> Redis:
        return Redis(port=port, password=f"sentinel-{self._password}" if self._password else None)

    def _named(self, port: int) -> int:
        with self._sentinel(port) as sentinel:
            _, named = sentinel.sentinel_get_master_addr_by_name(SERVICE)
            return int(named)

    def _complete(self) -> bool:
        return all(self._sees_all(port) for port in self.ports)

    def _sees_all(self, port: int) -> bool:
        with self._sentinel(port) as sentinel:
            state = sentinel.sentinel_master(SERVICE)
            healthy = [
                replica
                for replica in sentinel.sentinel_slaves(SERVICE)
                if not replica["is_sdown"] and replica["master-link-status"] == "ok"
            ]
            return len(healthy) == 1 and state["num-other-sentinels"] == SENTINELS - 1


def _follows(redis: Redis) -> bool:
    state = redis.info("replication")
    return bool(state["role"] == "slave" and state["master_link_status"] == "up")


@contextmanager
def server(folder: Path, **options: str) -> Iterator[Server]:
    """One server with these further options."""
    running = Server(folder, "redis", **options)
    try:
        yield running
    finally:
        running.process.kill()
