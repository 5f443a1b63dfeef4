"""`python empty_environment.py URL SECRET`: a batch and its webhook, with nothing but the client's wheel.

`test_distribution.py` runs this in an empty environment. It prints what happened there as JSON.
"""

import asyncio
import importlib.metadata
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from catalog_client import AsyncCatalog, Catalog, webhooks

WAIT_S = 120.0


def main(url: str, secret: str) -> None:
    events: list[webhooks.Event] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # http.server's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            events.append(webhooks.verify(body, dict(self.headers), secret))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server, Catalog(url) as catalog:
        receiving = Thread(target=server.handle_request)
        receiving.start()
        job = catalog.submit(
            ({"id": f"item-{number}", "title": f"Livre, tome {number}"} for number in range(20)),
            webhook_url=f"http://127.0.0.1:{server.server_port}/",
        )
        ended = catalog.wait(job, timeout_s=WAIT_S)
        results = list(catalog.results(job))
        receiving.join(WAIT_S)
    report = {
        "python": "{}.{}".format(*sys.version_info[:2]),
        "packages": sorted(found.name for found in importlib.metadata.distributions()),
        "state": ended.state,
        "results": sum(result.category is not None for result in results),
        "webhooks": [[event.type, event.data.id == job.id] for event in events],
        "asynchronous": asyncio.run(_count(url, job.id)),
    }
    print(json.dumps(report))  # noqa: T201  # its answer


async def _count(url: str, job_id: str) -> int:
    """How many results the asynchronous client reads."""
    async with AsyncCatalog(url) as catalog:
        return len([result async for result in catalog.results(job_id)])


if __name__ == "__main__":
    main(*sys.argv[1:])
