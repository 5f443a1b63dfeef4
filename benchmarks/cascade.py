"""The service with and without its cascade: the pictures that it need not look at, in items per second.

The same products, title and picture, go through one running service in turn: once as usual, and once as jobs that ask
for every picture. Run it as

    .venv/bin/python -m benchmarks.cascade --pictures FOLDER --titles CSV
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import catalogue, pictures
from benchmarks.harness import Options, Result, alternate, medians, rate_table
from benchmarks.pictures import Product
from catalog_client import Catalog
from shared.model.bundle import Bundle
from stack.services import bundle_folder

_TARGET = 2.2
_WHEN_NEEDED, _ALWAYS = "pictures when needed", "every picture"


class Contender:
    """A way to have products classified; `answers` are those of its last round."""

    def __init__(self, url: str, products: Sequence[Product], rounds: int, *, all_pictures: bool) -> None:
        self._catalog, self._all_pictures = Catalog(url), all_pictures
        self._waiting = catalogue.rounds(products, rounds, mark="always" if all_pictures else "needed")
        self.answers: list[catalogue.Answer] = []

    def run(self) -> None:
        self.answers = catalogue.classify(self._catalog, next(self._waiting), all_pictures=self._all_pictures)


def measure(bundle: Bundle, products: Sequence[Product], rounds: int) -> tuple[dict[str, list[float]], float]:
    """Return the rates, and the share of the answers that differ."""
    with TemporaryDirectory() as folder, catalogue.uncached_stack(bundle.folder, Path(folder)) as stack:
        contenders = {
            name: Contender(stack.url, products, rounds + 1, all_pictures=name == _ALWAYS)
            for name in (_WHEN_NEEDED, _ALWAYS)
        }
        runs: dict[str, Callable[[], None]] = {name: contender.run for name, contender in contenders.items()}
        rates = alternate(runs, len(products), rounds)
    pairs = zip(contenders[_WHEN_NEEDED].answers, contenders[_ALWAYS].answers, strict=True)
    return rates, sum(ours[0] != theirs[0] for ours, theirs in pairs) / len(products)


def main() -> None:
    parser = Options("cascade", __doc__)
    pictures.add_options(parser)
    parser.add_amount("items", 512, 128)
    parser.add_amount("rounds", 5, 1)
    parser.add_argument("--bundle", type=Path, default=bundle_folder(), help="the model to serve")
    chosen = parser.chosen()
    bundle = Bundle.load(chosen.bundle)
    products = pictures.load(chosen, chosen.items, new_to=bundle)
    rates, differing = measure(bundle, products.products, chosen.rounds)
    middle = medians(rates)
    times, cascade = middle[_WHEN_NEEDED] / middle[_ALWAYS], bundle.manifest.cascade
    threshold = "the bundle has no cascade" if cascade is None else f"a text is sure from {cascade.threshold} on"
    Result(
        name="cascade",
        title="Pictures looked at when needed, against every picture, end to end",
        target=f"at least {_TARGET}×",
        outcome=f"{times:.2f}×",
        reached=times >= _TARGET,
        tables=[rate_table(rates, _WHEN_NEEDED)],
        notes=[
            products.description,
            f"{threshold}; {differing:.1%} of the answers differ",
            f"jobs of {catalogue.JOB_ITEMS} items, {catalogue.JOBS_IN_FLIGHT} of them at a time; caches are off",
        ],
        command=f"python -m benchmarks.cascade{pictures.as_typed(chosen)} --items {chosen.items} "
        f"--rounds {chosen.rounds}",
    ).save(chosen.output)
    print(f"when needed / every picture: {times:.3f}; {differing:.1%} of the answers differ")


if __name__ == "__main__":
    main()
