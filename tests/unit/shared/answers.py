"""A real server on the loopback that answers with exactly the bytes that a test gives it."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Answers:
    """The answers that are still to come, one for each request; the last one is repeated. `b""` closes at once."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []
        """The heads of the requests that came."""
        self.site = ""
        self._lock = threading.Lock()

    def next(self, head: bytes) -> bytes:
        with self._lock:
            self.asked.append(head)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def answering(*answers: bytes, keep: bool = False) -> Iterator[Answers]:
    """Serve until the block ends.

    Args:
        keep: Keep each connection for further requests, until an empty answer.
    """
    server = Answers(answers)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.site = f"http://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=_serve, args=(listener, server, keep), daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)


def ok(body: bytes = b"picture") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def answer(status: int, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 %d X" % status, *headers, b"Content-Length: 0", b"", b""])


def _serve(listener: socket.socket, server: Answers, keep: bool) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_converse, args=(connection, server, keep), daemon=True).start()


def _converse(connection: socket.socket, server: Answers, keep: bool) -> None:
    with connection:
        try:
            while head := _head(connection):
                data = server.next(head)
                connection.sendall(data)
                if not keep or not data:
                    return
        except OSError:
            return


def _head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            return b""
        head += piece
    return head
