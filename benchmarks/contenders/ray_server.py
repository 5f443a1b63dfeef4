"""Ray Serve: one replica on all cores, with dynamic request batching.

    python -m benchmarks.contenders.ray_server --port PORT --state FOLDER

As its page "Dynamic Request Batching" says. The blocking call is made beside the event loop, which reads requests
meanwhile.
"""

import argparse
import asyncio
import os
import signal
from dataclasses import asdict
from typing import Any

import ray  # type: ignore[import-not-found]  # the contenders' environment has it
from ray import serve
from starlette.requests import Request

from benchmarks.contenders.model import BATCH, Answer, Classifier, prepare

_CORES = os.cpu_count() or 1
_WAIT_S = 0.05
"""For a batch to fill; a third of the time that one picture takes."""


@serve.deployment(num_replicas=1, max_ongoing_requests=64, ray_actor_options={"num_cpus": _CORES})
class Catalog:
    def __init__(self) -> None:
        self._classify = Classifier()

    async def __call__(self, request: Request) -> dict[str, Any]:
        return asdict(await self.predict(await request.json()))

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=_WAIT_S)  # type: ignore[untyped-decorator]
    async def predict(self, requests: list[dict[str, str]]) -> list[Answer]:
        return await asyncio.to_thread(self._answer, requests)

    def _answer(self, requests: list[dict[str, str]]) -> list[Answer]:
        return self._classify([prepare(request) for request in requests])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", required=True)
    options = parser.parse_args()
    ray.init(num_cpus=_CORES, include_dashboard=False, log_to_driver=False, _temp_dir=options.state)
    serve.start(http_options={"host": "127.0.0.1", "port": options.port})
    serve.run(Catalog.bind(), name="catalog", route_prefix="/predict")  # type: ignore[attr-defined]
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    ray.shutdown()


if __name__ == "__main__":
    main()
