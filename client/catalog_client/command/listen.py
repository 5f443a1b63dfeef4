"""The command `catalog listen`: a receiver of webhooks on this machine, to try them."""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Annotated

import typer

from catalog_client import webhooks
from catalog_client.command.exits import Exit
from catalog_client.command.options import say

app = typer.Typer()

_LONGEST_BODY = 1024 * 1024
_TIMEOUT_S = 30
"""How long one request may take to arrive."""
_EXAMPLE = """\
from catalog_client import webhooks

def receive(body: bytes, headers: dict[str, str]) -> int:
    event = webhooks.verify(body, headers, os.environ["CATALOG_WEBHOOK_SECRET"])  # WebhookError: answer 401
    print(event.type, event.data.id, event.data.state)
    return 204"""


class _Receiver(HTTPServer):
    """A server that verifies what it is sent, one request at a time, and prints it."""

    def __init__(self, port: int, secret: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.secret = secret
        self.verified = 0

    def take(self, body: bytes, headers: dict[str, str]) -> HTTPStatus:
        """Print the event; return the status to answer with."""
        try:
            event = webhooks.verify(body, headers, self.secret)
        except webhooks.WebhookError as error:
            say(f"refused: {error}", style="red")
            return HTTPStatus.UNAUTHORIZED
        typer.echo(json.dumps(event.document, indent=2))
        if not self.verified:
            say(f"This webhook is signed with your secret. To receive it in your own program:\n\n{_EXAMPLE}\n")
        self.verified += 1
        return HTTPStatus.NO_CONTENT


class _Handler(BaseHTTPRequestHandler):
    server: _Receiver
    timeout = _TIMEOUT_S

    def do_POST(self) -> None:
        """Receive a webhook."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or int(length) > _LONGEST_BODY:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE if length else HTTPStatus.LENGTH_REQUIRED)
            return
        self._answer(self.server.take(self.rfile.read(int(length)), dict(self.headers.items())))

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Print nothing: `take` says what came."""


@app.command()
def listen(
    secret: Annotated[
        str,
        typer.Option(
            envvar="CATALOG_WEBHOOK_SECRET",
            show_envvar=True,
            help="Your signing secret (whsec_…); the operator prints it with `catalog-keys webhook-secrets TENANT`.",
        ),
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes one that is free.")] = 8088,
    count: Annotated[int | None, typer.Option(min=1, help="End after this many verified webhooks.")] = None,
) -> None:
    """Receive webhooks on this machine, print those that are signed with your secret, and show the code for it."""
    try:
        webhooks.check_secret(secret)
        receiver = _Receiver(port, secret)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(
            f"port {port}: {error.strerror}" if isinstance(error, OSError) else str(error)
        ) from None
    with receiver:
        address = f"http://127.0.0.1:{receiver.server_port}/"
        say(f"listening; in another terminal: catalog submit products.csv --webhook {address}")
        say("A service on another machine cannot reach this address. Ctrl-C ends.")
        try:
            while count is None or receiver.verified < count:
                receiver.handle_request()
        except KeyboardInterrupt:
            raise typer.Exit(Exit.INTERRUPTED if count else Exit.DONE) from None
