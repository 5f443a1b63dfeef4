"""How much of the bare engine's speed is left when items come in and results go out over HTTP.

Both sides classify the same sample products, title and picture, in alternating rounds: the runtime in a tight loop over
prepared arrays, and the whole service (HTTP, Redis, Celery, blob store, decoding). Run it as

    .venv/bin/python -m benchmarks.service_overhead --items 192 --rounds 3
"""

import argparse
import base64
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from client.service import Service
from client.tables import read_items
from shared.model import runtimes
from shared.model.bundle import Bundle
from shared.model.images import decode
from shared.model.text import words
from shared.settings import ROOT, get_settings
from stack.services import Stack, pick_ports
from training.sample_catalogue import generate

_BATCH = 8


def bare(bundle: Bundle, items: list[dict[str, Any]], pictures: list[bytes]) -> Callable[[], None]:
    """The networks over arrays that were prepared before the clock starts."""
    runtime = runtimes.load(bundle)
    tokens = bundle.text_encoder().encode([words(item.get("title"), item.get("description")) for item in items])
    pixels = np.stack([decode(picture, bundle.manifest.image_size) for picture in pictures])

    def run() -> None:
        for start in range(0, len(items), _BATCH):
            rows = slice(start, start + _BATCH)
            runtime.text(tokens[rows])
            runtime.image(runtime.features(pixels[rows]))

    return run


def served(service: Service, items: list[dict[str, Any]]) -> Callable[[], None]:
    """From the first byte of the request to the last result."""

    def run() -> None:
        job = service.submit(lambda: items, {})
        for _ in service.watch(job["id"]):
            pass
        results = list(service.results(job["id"]))
        assert len(results) == len(items)
        assert all(result["status"] == "succeeded" for result in results)

    return run


def measure(contenders: dict[str, Callable[[], None]], items: int, rounds: int) -> dict[str, list[float]]:
    """Items per second of each contender in each round, after one round that does not count."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(rounds + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if round_:
                rates[name].append(items / (time.perf_counter() - start))
                print(f"round {round_}  {name:8} {rates[name][-1]:6.1f} items/s", flush=True)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        sample = Path(folder) / "sample"
        generate(sample, per_type=4, test_items=round(options.items * 1.3))
        table = read_items(sample / "X_test_update.csv", sample / "images/image_test")
        items = [item for item in table if "image" in item][: options.items]
        pictures = [_bytes(item) for item in items]
        bundle = Bundle.load(Path(get_settings().model))
        with Stack(ROOT, Path(folder) / "stack", pick_ports(mlflow=False, preferred=False)) as stack:
            contenders = {"bare": bare(bundle, items, pictures), "service": served(Service(stack.url), items)}
            rates = measure(contenders, len(items), options.rounds)
    bare_rate, service_rate = (statistics.median(rates[name]) for name in ("bare", "service"))
    print(f"\nmedian: bare {bare_rate:.1f}, service {service_rate:.1f} items/s; ratio {service_rate / bare_rate:.2f}")


def _bytes(item: dict[str, Any]) -> bytes:
    return base64.b64decode(item["image"]["base64"])


if __name__ == "__main__":
    main()
