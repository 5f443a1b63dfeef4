"""HTTP/1 as h11 reads it, with bounds on a request's head."""

from collections.abc import Iterable
from http import HTTPStatus

import h11

from api.http.problems import Problem

MAX_HEAD = 16 * 1024
"""Bytes of a request's line and headers together."""
MAX_TARGET = 8 * 1024
"""Bytes of a request's path and query."""
_LINE_END = b"\n"


class Connection(h11.Connection):
    """A server's side of a connection; `next_event` raises `h11.RemoteProtocolError` for a head that is too large, too.

    h11 has a bound of its own, but only for a head that is still incomplete.
    """

    def __init__(self) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self.problem: Problem | None = None
        """What was wrong, once `next_event` has raised."""
        self.head_only = False
        """Whether the answer has no body, because the request's method is HEAD."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        in_head = self.their_state is h11.IDLE
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.problem = self._problem(in_head, error)
            raise
        if isinstance(event, h11.Request):
            self.head_only = event.method == b"HEAD"
            if len(event.target) > MAX_TARGET:
                self.problem = _target_too_long()
            elif len(event.method) + len(event.target) + _size(event.headers) > MAX_HEAD:
                self.problem = _head_too_large()
            if self.problem:
                raise h11.RemoteProtocolError(str(self.problem), error_status_hint=int(self.problem.status))
        return event

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        """Send as h11 does; an answer that begins before the whole body has come announces the connection's end."""
        if isinstance(event, h11.Response) and self.their_state is h11.SEND_BODY:
            headers = [*filter(lambda header: header[0] != b"connection", event.headers), (b"connection", b"close")]
            event = h11.Response(status_code=event.status_code, reason=event.reason, headers=headers)
        return super().send_with_data_passthrough(event)

    def _problem(self, in_head: bool, error: h11.RemoteProtocolError) -> Problem:
        status = HTTPStatus(error.error_status_hint)
        if status is HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE and in_head:
            begun, _ = self.trailing_data
            return _head_too_large() if _LINE_END in begun[:MAX_TARGET] else _target_too_long()
        detail = f"The request is not valid HTTP/1.1: {error}."
        if status is HTTPStatus.NOT_IMPLEMENTED:
            return Problem(status, "not-implemented", detail)
        return Problem(HTTPStatus.BAD_REQUEST, "malformed-request", detail)


def _size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """How long they are on the wire, at least."""
    return sum(len(name) + len(value) + len(b": \r\n") for name, value in headers)


def _target_too_long() -> Problem:
    detail = f"The request's path and query are longer than {MAX_TARGET:,} bytes."
    return Problem(HTTPStatus.REQUEST_URI_TOO_LONG, "uri-too-long", detail)


def _head_too_large() -> Problem:
    detail = f"The request's line and headers are larger than {MAX_HEAD:,} bytes."
    return Problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", detail)
