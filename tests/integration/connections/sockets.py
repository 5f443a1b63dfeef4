"""HTTP written and read byte by byte."""

import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def problem(self) -> str:
        """The end of a problem document's type."""
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        kind: str = document["type"].rpartition(":")[2]
        return kind


@dataclass(frozen=True)
class Server:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60, source_address=(source, 0))

    def ask(self, request: bytes | Iterable[bytes], source: str = "127.0.0.1") -> Answer:
        """Send this and nothing else, and read until the server closes the connection."""
        with self.connect(source) as connection:
            with suppress(ConnectionError):  # the server need not take all of it
                for piece in [request] if isinstance(request, bytes) else request:
                    connection.sendall(piece)
            return read_answer(connection)

    @staticmethod
    def resident_bytes(pid: int) -> int:
        (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024


def head(method: str, target: str, headers: Mapping[str, object] | None = None, version: str = "1.1") -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode()


def read_answer(connection: socket.socket) -> Answer:
    """All that comes until the end of the connection, which must be one whole answer."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    assert received, "the connection was closed without an answer"
    start, _, body = received.partition(b"\r\n\r\n")
    first, *lines = start.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if "content-length" in headers:
        assert len(body) == int(headers["content-length"])
    return Answer(int(first.split()[1]), headers, body)
