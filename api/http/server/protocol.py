"""The server's protocol: uvicorn's for h11, with bounds and time-outs. uvicorn's command line names it as `--http`.

h11 and not httptools, which drops the body of a request that offers to upgrade (`Upgrade: h2c`: Java's HTTP client) and
answers HTTP/1.0 in chunks. Written here because uvicorn has no time-out for a head or a body, and neither Granian nor
Hypercorn has a bound of connections per address or a lowest rate for bodies.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any
from weakref import WeakKeyDictionary

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from api.http.problems import MEDIA_TYPE, Problem
from api.http.response_headers import of_data
from api.http.server.connections import Connections
from api.http.server.credit import Credit
from api.http.server.head import Connection
from api.http.server.line import Line
from shared.settings import get_settings

HEAD_S = 10
"""Seconds until a request's head must be complete, from the connection or from its first byte."""
BODY_S = 20
"""Seconds of silence in a body."""
ANSWER_S = 60
"""Seconds in which a client takes nothing of its answer."""
BYTES_PER_S = 500
"""The lowest rate of a body or an answer."""
LINGER_S = 5
"""Seconds in which a client may read an answer that came before its body's end."""
_CHECKED_EVERY_S = 1

_servers: WeakKeyDictionary[ServerState, Connections] = WeakKeyDictionary()


class Protocol(H11Protocol):
    """One connection."""

    conn: Connection
    transport: Line

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = Connection()
        self._head_since: float | None = None
        """When the head that is being waited for began; `None` between requests and while one is answered."""
        self._silent = True
        self._refused = False
        self._body = Credit(BODY_S, BYTES_PER_S)
        self._answer = Credit(ANSWER_S, BYTES_PER_S)
        self._taken = 0
        self._close_by = 0.0

    @property
    def idle(self) -> bool:
        return self.conn.their_state is h11.IDLE or self.transport.closed

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(Line(transport, self._expects_input))
        self._head_since = self.loop.time()
        if not self._others.admit(self, self.client[0] if self.client else None):
            detail = "Too many connections are open, or too many of your address: use fewer, and close those of no use."
            headers = {"Retry-After": str(HEAD_S)}
            self.refuse(Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-connections", detail, headers=headers))

    def connection_lost(self, exc: Exception | None) -> None:
        self._others.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.closed:
            return
        now = self.loop.time()
        self._silent = False
        if self.conn.their_state is not h11.IDLE:
            self._body.earn(len(data), now)
        elif self._head_since is None:
            self._head_since = now
        super().data_received(data)
        if self._head_since is not None and self.conn.their_state is not h11.IDLE:
            self._head_since = None
            self._body.begin(now)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, or too large, as `Connection` found it."""
        self.refuse(self.conn.problem or Problem(HTTPStatus.BAD_REQUEST, "malformed-request", msg))

    def refuse(self, problem: Problem) -> None:
        """Answer in the app's place, unless an answer has begun, and close."""
        self._refused = True
        self._abandon()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        body = json.dumps(problem.document("")).encode()
        headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), "Connection": "close"}
        headers |= of_data() | problem.headers
        answer: list[h11.Event] = [
            h11.Response(status_code=int(problem.status), reason=problem.status.phrase, headers=list(headers.items()))
        ]
        if not self.conn.head_only:
            answer.append(h11.Data(data=body))
        self.transport.write(b"".join(self.conn.send(event) or b"" for event in (*answer, h11.EndOfMessage())))
        self.transport.close()

    def give_up(self) -> None:
        self._abandon()
        self.transport.abort()

    def check(self, now: float) -> str | None:
        if self._stuck(now):
            self.give_up()
            return "the client took nothing of its answer"
        if self.transport.closed:
            if now > self._close_by and not self.transport.get_write_buffer_size():
                self.transport.abort()
            return None
        state = self.conn.their_state
        if state is h11.IDLE and self._head_since is not None and now - self._head_since > HEAD_S:
            self._too_slow(f"The request's head was not complete within {HEAD_S} s.")
            return "no head was complete in time"
        if state is h11.SEND_BODY and self.flow.read_paused:
            self._body.begin(now)  # the app takes its time
        elif state is h11.SEND_BODY and self._body.used_up(now):
            self._too_slow(f"Nothing came of the body for {BODY_S} s, or less than {BYTES_PER_S} bytes a second.")
            return "a body came too slowly"
        return None

    def _too_slow(self, detail: str) -> None:
        if self._silent:
            self.give_up()  # a connection that was opened in advance expects no answer
        else:
            self.refuse(Problem(HTTPStatus.REQUEST_TIMEOUT, "too-slow", detail))

    def _stuck(self, now: float) -> bool:
        """Whether the client takes no answer although there is one."""
        taken, self._taken = self._taken, self.transport.taken
        if not self.transport.get_write_buffer_size():
            self._answer.begin(now)
        else:
            self._answer.earn(self._taken - taken, now)
        return self._answer.used_up(now)

    def _expects_input(self) -> bool:
        """Whether the client is still sending, asked when the connection closes."""
        self._close_by = self.loop.time() + LINGER_S
        return self._refused or self.conn.their_state is h11.SEND_BODY

    def _abandon(self) -> None:
        """Tell the app, if it is at work, that the client is gone."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _should_upgrade(self) -> bool:
        """Never: an offer to upgrade may be ignored, and uvicorn would log two warnings each time."""
        return False

    @property
    def _others(self) -> Connections:
        if self.server_state not in _servers:
            settings = get_settings()
            connections = Connections(settings.max_connections_per_address, settings.proxy_addresses)
            _servers[self.server_state] = connections
            self.loop.call_later(_CHECKED_EVERY_S, _check, self.loop, connections)
        return _servers[self.server_state]


def _check(loop: asyncio.AbstractEventLoop, connections: Connections) -> None:
    connections.check(loop.time())
    loop.call_later(_CHECKED_EVERY_S, _check, loop, connections)
