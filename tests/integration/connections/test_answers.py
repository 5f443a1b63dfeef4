"""A client that takes nothing of its answer; the server runs in this process, so that it need not wait for a minute."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn import Config, Server

from api.http.server import protocol
from stack.processes import free_port
from tests.waiting import wait_for


class Endless:
    """An app whose answer has no end."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start)
        self.begun.set()
        listening = asyncio.create_task(_gone(receive))
        while not listening.done():
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
            await asyncio.sleep(0)
        self.ended.set()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Endless, int]]:
    monkeypatch.setattr(protocol, "ANSWER_S", 2)
    app, port = Endless(), free_port()
    server = Server(Config(app, port=port, http=protocol.Protocol, ws="none", lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for("the server listens", lambda: server.started)
    yield app, port
    server.should_exit = server.force_exit = True
    thread.join()


def test_a_client_that_takes_nothing_is_given_up(endless: tuple[Endless, int]) -> None:
    app, port = endless
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert app.begun.wait(60)
        assert app.ended.wait(60), "the app still waits for the client"


def test_a_client_that_takes_its_answer_is_served_on(endless: tuple[Endless, int]) -> None:
    app, port = endless
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        taken = 0
        while taken < 200 * 2**20:
            piece = client.recv(2**20)
            assert piece
            taken += len(piece)
        assert not app.ended.is_set()
    assert app.ended.wait(60)
