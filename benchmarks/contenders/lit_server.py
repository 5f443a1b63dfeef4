"""LitServe: one worker, with its batching on.

    python -m benchmarks.contenders.lit_server --port PORT

As its page "Batching" says: `decode_request` per request, `batch`, `predict` and `unbatch` per batch.
"""

import argparse
from dataclasses import asdict
from typing import Any

import litserve  # type: ignore[import-not-found]  # the contenders' environment has it

from benchmarks.contenders.model import BATCH, Answer, Classifier, Prepared, prepare

_WAIT_S = 0.05
"""For a batch to fill; a third of the time that one picture takes."""


class Catalog(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        self._classify = Classifier()

    def decode_request(self, request: dict[str, str]) -> Prepared:
        return prepare(request)

    def batch(self, inputs: list[Prepared]) -> list[Prepared]:
        return inputs

    def predict(self, batch: list[Prepared]) -> list[Answer]:
        return self._classify(batch)

    def unbatch(self, output: list[Answer]) -> list[Answer]:
        return output

    def encode_response(self, output: Answer) -> dict[str, Any]:
        return asdict(output)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    api = Catalog(max_batch_size=BATCH, batch_timeout=_WAIT_S)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=120)
    server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
