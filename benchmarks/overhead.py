"""The share of the bare engine's speed that remains when items and results travel over HTTP.

Both sides classify the same products, title and picture, in turn: the runtime in a tight loop over prepared arrays, and
the whole service (HTTP, Redis, Celery, blob store, decoding). Each round's pictures are bytes that the service has not
seen. Run it as

    .venv/bin/python -m benchmarks.overhead --pictures FOLDER --titles CSV
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np

from benchmarks import catalogue, pictures
from benchmarks.harness import Options, Result, alternate, medians, rate_table
from benchmarks.pictures import Product
from catalog_client import Catalog
from shared.model import runtimes
from shared.model.bundle import Bundle
from shared.model.cascade import not_looked_at
from shared.model.images import decode
from shared.model.text import by_length, pad
from shared.settings import get_settings
from shared.words import words
from stack.services import bundle_folder
from worker.serving.engine import MAX_TEXTS

_TARGET = 0.9
_BARE, _SERVICE = "bare engine", "service"


def bare(bundle: Bundle, products: Sequence[Product], micro_batch: int) -> Callable[[], None]:
    """The networks over arrays that were prepared before the clock starts, in the batches that the engine makes.

    It looks at the pictures that the bundle's cascade looks at.
    """
    runtime, encoder = runtimes.load(bundle, get_settings().runtime), bundle.text_encoder()
    ids = [encoder.ids(words(product.title, product.description)) for product in products]
    some = [ids[start : start + MAX_TEXTS] for start in range(0, len(ids), MAX_TEXTS)]
    texts = [
        (start + np.asarray(rows), pad([part[row] for row in rows]))
        for start, part in zip(range(0, len(ids), MAX_TEXTS), some, strict=True)
        for rows in by_length(part)
    ]
    pixels = np.stack([decode(product.picture, bundle.manifest.image_size) for product in products])
    has_picture = np.ones(len(products), bool)

    def run() -> None:
        answers = np.empty((len(products), len(bundle.codes)), np.float32)
        for rows, tokens in texts:
            answers[rows] = runtime.text(tokens)
        looked_at = np.flatnonzero(~not_looked_at(bundle.manifest.cascade, answers, has_picture))
        for start in range(0, len(looked_at), micro_batch):
            runtime.image(runtime.features(pixels[looked_at[start : start + micro_batch]]))

    return run


def served(url: str, products: Sequence[Product], rounds: int) -> Callable[[], None]:
    catalog, waiting = Catalog(url), catalogue.rounds(products, rounds)

    def run() -> None:
        catalogue.classify(catalog, next(waiting))

    return run


@dataclass(frozen=True)
class Measured:
    rates: dict[str, list[float]]
    micro_batch: int
    """Pictures that the worker's engine takes at a time, as it found fastest; the bare one takes as many."""
    runtime: str


def measure(bundle: Bundle, products: Sequence[Product], rounds: int) -> Measured:
    with TemporaryDirectory() as folder, catalogue.uncached_stack(bundle.folder, Path(folder)) as stack:
        (worker,) = httpx.get(f"{stack.url}/health").json()["workers"]
        contenders = {
            _BARE: bare(bundle, products, worker["micro_batch"]),
            _SERVICE: served(stack.url, products, rounds + 1),
        }
        return Measured(alternate(contenders, len(products), rounds), worker["micro_batch"], worker["runtime"])


def main() -> None:
    parser = Options("overhead", __doc__)
    pictures.add_options(parser)
    parser.add_amount("items", 512, 128)
    parser.add_amount("rounds", 5, 1)
    parser.add_argument("--bundle", type=Path, default=bundle_folder(), help="the model to serve")
    chosen = parser.chosen()
    items, rounds = chosen.items, chosen.rounds

    bundle = Bundle.load(chosen.bundle)
    products = pictures.load(chosen, items, new_to=bundle)
    model = "" if chosen.bundle == bundle_folder() else " --bundle FOLDER"
    measured = measure(bundle, products.products, rounds)
    middle = medians(measured.rates)
    share = middle[_SERVICE] / middle[_BARE]
    Result(
        name="overhead",
        title="End to end, against the bare engine in a tight loop over prepared arrays",
        target=f"at least {_TARGET}",
        outcome=f"{share:.2f}",
        reached=share >= _TARGET,
        tables=[rate_table(measured.rates, _SERVICE)],
        notes=[
            products.description,
            f"{measured.runtime}, {bundle.manifest.image_size}×{bundle.manifest.image_size}; both compute "
            f"pictures in batches of {measured.micro_batch}; the service gets jobs of {catalogue.JOB_ITEMS} items, "
            f"{catalogue.JOBS_IN_FLIGHT} of them at a time; its caches are off",
            "docs/performance.md shows where the difference goes (mostly into decoding), and what was tried",
        ],
        command=f"python -m benchmarks.overhead{pictures.as_typed(chosen)}{model} --items {items} --rounds {rounds}",
    ).save(chosen.output)
    print(f"service / bare engine: {share:.3f}")


if __name__ == "__main__":
    main()
