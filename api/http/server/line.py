"""A connection's transport, closed so that the client can read the last answer."""

import asyncio
from collections.abc import Callable
from typing import Any


class Line(asyncio.Transport):
    """Passes everything on; `close` waits for input that is still on its way.

    A socket that is closed with unread input resets the connection, and the client, which is still sending, may lose
    the answer: "401" or "413" would reach it as a broken connection. So the line is closed for writing alone, what the
    client sends is dropped by the protocol, and the owner calls `abort` when it has waited long enough.

    Args:
        expects_input: Asked at the close.
    """

    def __init__(self, transport: asyncio.Transport, expects_input: Callable[[], bool]) -> None:
        super().__init__()
        self.closed = False
        """Whether `close` was called: nothing more is read or written."""
        self._transport = transport
        self._expects_input = expects_input
        self._written = 0

    @property
    def taken(self) -> int:
        """How many bytes the client's side has taken in all."""
        return self._written - self.get_write_buffer_size()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._expects_input() and self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
            self._transport.resume_reading()
        else:
            self._transport.close()

    def abort(self) -> None:
        self.closed = True
        self._transport.abort()

    def is_closing(self) -> bool:
        return self.closed or self._transport.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._written += len(data)
        self._transport.write(data)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()
