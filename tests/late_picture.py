"""A site whose picture comes late: a job of many such pictures lasts, and costs little."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from tests.pictures import jpeg


@contextmanager
def late_picture(longest_s: float | None = None) -> Iterator[tuple[str, Event]]:
    """The picture's URL, and the event from which on it comes at once.

    Args:
        longest_s: How long an answer waits for the event; `None`: nobody gets the picture before it.
    """
    may_answer = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            may_answer.wait(longest_s)
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):  # the client may be gone
                self.wfile.write(jpeg())

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/lampe.jpg", may_answer
        finally:
            may_answer.set()
            server.shutdown()
