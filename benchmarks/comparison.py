"""The service against alternatives, end to end, each with the same model.

The original design (synchronous HTTP, Keras' `predict` per request), BentoML, LitServe, Ray Serve and MLflow's server
get one item per request, 16 requests at a time, at 224×224; the service gets jobs, at 224×224 and at the size of the
bundle that it serves by default. They take turns; all but the one that is measured are held still. Run it as

    .venv/bin/python -m benchmarks.contenders.setup
    .venv/bin/python -m benchmarks.comparison --pictures FOLDER --titles CSV
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import catalogue, pictures
from benchmarks.bundles import altered
from benchmarks.catalogue import Answer
from benchmarks.contenders import export, setup
from benchmarks.contenders.servers import IN_FLIGHT, ORIGINAL, SERVERS, Server
from benchmarks.harness import Options, Result, Table, alternate, medians, rate_table
from benchmarks.pictures import Product
from catalog_client import Catalog
from shared.model.bundle import GOLDEN, Bundle
from shared.model.runtimes import cpu
from stack.services import bundle_folder

Answers = dict[str, list[Answer]]
"""By contender, of the last round."""


@dataclass(frozen=True)
class Target:
    """How many times as fast as its rivals the service must be, at this input size."""

    size: int
    rivals: tuple[str, ...]
    times: float
    words: str
    """Collective name of the rivals; the fastest of them counts."""


def targets(default_size: int) -> list[Target]:
    """Return what must be reached; of a CPU without int8 instructions it is less, since the rivals need none."""
    original, servers = (ORIGINAL.name,), tuple(server.name for server in SERVERS)
    with_int8 = any("int8" in name or "vnni" in name for name in cpu.instructions())
    return [
        Target(export.SIZE, original, 4.5, "the original design"),
        Target(export.SIZE, servers, 3.5, "the best server"),
        Target(default_size, original, 20 if with_int8 else 13, "the original design"),
        Target(default_size, servers, 13 if with_int8 else 7.5, "the best server"),
    ]


def measure(bundle: Bundle, products: Sequence[Product], rounds: int) -> tuple[dict[str, list[float]], Answers]:
    """Each contender's items per second in each round, and what it answered."""
    with TemporaryDirectory() as temporary, ExitStack() as running:
        folder = Path(temporary)
        export.export(bundle, folder / "model")
        servers = [
            running.enter_context(Server(contender, folder / "model", folder / f"server-{number}"))
            for number, contender in enumerate((ORIGINAL, *SERVERS))
        ]
        for server in servers:
            server.wait()
            server.pause()
        answers: Answers = {}
        runs = {server.name: _asked(server, products, answers) for server in servers}
        for size in sorted({export.SIZE, bundle.manifest.image_size}):
            resized = at_size(bundle, size, folder / f"bundle-{size}")
            stack = running.enter_context(catalogue.uncached_stack(resized.folder, folder / f"stack-{size}"))
            runs[_name(size)] = _served(stack.url, _name(size), products, rounds + 1, answers)
        return alternate(runs, len(products), rounds), answers


def _asked(server: Server, products: Sequence[Product], answers: Answers) -> Callable[[], None]:
    bodies = [server.body(product) for product in products]

    def run() -> None:
        server.resume()
        answers[server.name] = server.classify(bodies)
        server.pause()

    return run


def _served(url: str, name: str, products: Sequence[Product], rounds: int, answers: Answers) -> Callable[[], None]:
    catalog, waiting = Catalog(url), catalogue.rounds(products, rounds)

    def run() -> None:
        answers[name] = catalogue.classify(catalog, next(waiting))

    return run


def _name(size: int) -> str:
    return f"service, {size}×{size}"


def at_size(bundle: Bundle, size: int, folder: Path) -> Bundle:
    """The bundle with another input size: as fast as one that was trained for it, though not as good."""
    if bundle.manifest.image_size == size:
        return bundle
    return altered(bundle, folder, without=[GOLDEN], image_size=size)


def judge(rates: dict[str, list[float]], default_size: int) -> tuple[str, bool, Table]:
    """The outcome in words, whether every target was reached, and each target beside the measured value."""
    middle = medians(rates)
    rows, said = [], []
    for target in targets(default_size):
        best = max(target.rivals, key=lambda name: middle[name])
        times = middle[_name(target.size)] / middle[best]
        rows.append((_name(target.size), best, f"{target.times}×", f"{times:.2f}×"))
        said.append((f"{times:.1f}× {target.words} at {target.size}×{target.size}", times >= target.times))
    table = Table(("contender", "against", "target", "seen"), rows)
    return "; ".join(dict.fromkeys(words for words, _ in said)), all(reached for _, reached in said), table


def agreement(answers: Answers) -> str:
    """How many items got the same type as from the original design: the same model is served everywhere."""
    expected = [code for code, _ in answers[ORIGINAL.name]]
    counts = {
        name: sum(code == other for (code, _), other in zip(given, expected, strict=True))
        for name, given in answers.items()
        if name != ORIGINAL.name
    }
    return f"items that got the same product type as from the original design, of {len(expected)} items: " + ", ".join(
        f"{name} {count}" for name, count in counts.items()
    )


def main() -> None:
    parser = Options("comparison", __doc__)
    pictures.add_options(parser)
    parser.add_amount("items", 192, 24)
    parser.add_amount("rounds", 3, 1)
    parser.add_argument("--bundle", type=Path, default=bundle_folder(), help="the model to serve")
    chosen = parser.chosen()
    if not setup.ready():
        raise SystemExit("the contenders' environment is missing: run python -m benchmarks.contenders.setup")
    items, rounds = chosen.items, chosen.rounds

    products = pictures.load(chosen, items)
    bundle = Bundle.load(chosen.bundle)
    model = "" if chosen.bundle == bundle_folder() else " --bundle FOLDER"
    rates, answers = measure(bundle, products.products, rounds)
    outcome, reached, table = judge(rates, bundle.manifest.image_size)
    Result(
        name="comparison",
        title="End to end, against the original design and the model servers",
        target="; ".join(
            f"{target.times}× {target.words} at {target.size}×{target.size}"
            for target in targets(bundle.manifest.image_size)
        ),
        outcome=outcome,
        reached=reached,
        tables=[table, rate_table(rates, _name(bundle.manifest.image_size))],
        notes=[
            products.description,
            f"the other contenders get pictures of 224×224 pixels, one item per request, {IN_FLIGHT} requests "
            f"at a time; the service gets jobs of {catalogue.JOB_ITEMS} items, {catalogue.JOBS_IN_FLIGHT} of them at a "
            "time; its caches are off",
            agreement(answers),
        ],
        command=f"python -m benchmarks.comparison{pictures.as_typed(chosen)}{model} --items {items} --rounds {rounds}",
    ).save(chosen.output)
    print(outcome)


if __name__ == "__main__":
    main()
