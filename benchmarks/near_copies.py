"""Deciding once for many: how many decisions clear a thousand mistakes, and what the next card costs.

A catalogue of invented products, each in several sizes and colours, lies in jobs. The model is wrong about half of the
products that need a look, and mostly about all variants of a product alike. A person takes card after card and decides
about the card's item with all its near copies. One title in ten is vague and may be that of products of several
categories, as in the sample catalogue. No worker runs: the benchmark answers itself. Run it as

    .venv/bin/python -m benchmarks.near_copies
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import Options, Result, Table
from benchmarks.system import System, cpu_s
from catalog_client import Decision
from shared.ledger import Guess, Outcome, QueuedItem
from training.sample.catalogue import FOREIGN_BRAND, VAGUE_TITLE
from training.sample.vocabulary import VAGUE_NOUNS, VOCABULARY

_DECISIONS_A_MISTAKE, _RIGHT, _CPU_MS = 0.35, 0.98, 200
_WRONG, _DIFFERS = 0.5, 0.1
"""The shares of products that the model is wrong about, and of variants that it answers differently from the rest."""
_MOST_VARIANTS, _JOBS, _CARDS, _CALLS = 12, 4, 10, 20
_COLOURS = ("noir", "blanc", "rouge", "bleu", "vert", "black", "white", "schwarz", "grau")
_SIZES = ("taille S", "taille M", "taille L", "XL", "40 cm", "60 cm", "80x120", "256 Go", "lot de 2", "lot de 4")
_UNSURE = 0.9


@dataclass(frozen=True)
class Product:
    """A variant of a product."""

    title: str
    code: str
    answer: str
    """What the model says."""
    confidence: float


def catalogue(mistakes: int, random: Random) -> list[Product]:
    """Return variants of invented products, about which the model makes half as many mistakes again as asked for."""
    found, wrong = list[Product](), 0
    while wrong < 1.5 * mistakes:
        variants = list(_product(random))
        found += variants
        wrong += sum(one.answer != one.code for one in variants)
    random.shuffle(found)
    return found


def _product(random: Random) -> Iterator[Product]:
    code = random.choice(list(VOCABULARY))
    words = VOCABULARY[code]
    brands = random.choice(list(VOCABULARY.values())).brands if random.random() < FOREIGN_BRAND else words.brands
    name = f"{random.choice(words.nouns)} {random.choice(words.qualities)} {random.choice(brands)}"
    if random.random() < VAGUE_TITLE:
        name = f"{random.choice(VAGUE_NOUNS)} {random.choice(brands)} réf."
    usual, confidence = random.random() >= _WRONG, random.uniform(0.2, 0.85)
    other = random.choice([each for each in VOCABULARY if each != code])
    for _ in range(random.randint(1, _MOST_VARIANTS)):
        right = usual if random.random() >= _DIFFERS else not usual
        title = f"{name} {random.choice(_COLOURS)} {random.choice(_SIZES)} {random.randint(10, 9999)}"
        sure = min(max(confidence + random.uniform(-0.05, 0.05), 0.05), _UNSURE)
        yield Product(title, code, code if right else other, round(sure, 4))


@dataclass(frozen=True)
class Cleared:
    """What a person achieved."""

    decisions: int
    items: int
    mistakes: int
    propagated: int
    right: int
    """How many of these are right."""


def clear(system: System, products: Sequence[Product], mistakes: int) -> Cleared:
    """Decide about card after card until this many mistakes are cleared."""
    jobs = [_job(system, products[number::_JOBS]) for number in range(_JOBS)]
    truth = {
        (job, index): product
        for number, job in enumerate(jobs)
        for index, product in enumerate(products[number::_JOBS])
    }
    decisions, cursor, told = 0, None, list[tuple[Product, str | None, bool]]()
    while sum(product.answer != product.code == code for product, code, _ in told) < mistakes:
        cards = system.catalog.next_cards(_CARDS, by="anna")
        if not cards:
            raise RuntimeError("nothing is open any more")
        made = [(card.job_id, card.index, truth[card.job_id, card.index].code) for card in cards]
        system.catalog.decide(
            [Decision(job_id=job, index=index, category=code, copies=True, by="anna") for job, index, code in made]
        )
        decisions += len(cards)
        for one in system.catalog.decisions(since=cursor):
            code, cursor = None if one.category is None else one.category.code, one.cursor
            told.append((truth[one.job_id, one.index], code, one.like is not None))
    copied = [(product, code) for product, code, like in told if like]
    right = sum(product.code == code for product, code in copied)
    cleared = sum(product.answer != product.code == code for product, code, _ in told)
    return Cleared(decisions, len(told), cleared, len(copied), right)


def _job(system: System, products: Sequence[Product], sure: Sequence[bool] = ()) -> str:
    """Send a job, and answer it in a worker's place."""
    items = [{"id": f"sku-{number}", "title": product.title} for number, product in enumerate(products)]
    job = system.submit(items)

    def outcome(item: QueuedItem) -> Outcome:
        product, known = products[item.index], bool(sure) and sure[item.index]
        return Outcome(
            item.index, item.id, guesses=(Guess(product.answer, product.confidence),), needs_review=not known
        )

    while (lease := system.ledger.lease("interactive") or system.ledger.lease("bulk")) is not None:
        system.ledger.commit(lease, "one", [outcome(item) for item in lease.items])
    return job


@dataclass(frozen=True)
class Cost:
    first_ms: float
    """Seconds of the first call, which reads the job; then the median of the others, and the CPU of each."""
    median_ms: float
    cpu_ms: float
    bytes_per_item: float
    """What is kept in Redis of an item that needs a look, so that its copies are found."""


def cost(system: System, items: int, random: Random) -> Cost:
    """Take cards of a job of this many items, half of which need a look."""
    products = [product for _ in range(items // 4) for product in _product(random)][:items]
    job = _job(system, products, [number % 2 == 0 for number in range(items)])
    key = f"catalog:job:{job}:likeness"
    stored: Any = system.redis.memory_usage(key, samples=0)
    first = _timed(system, job)
    before, times = cpu_s(system.process("api")), [_timed(system, job) for _ in range(_CALLS)]
    cpu = (cpu_s(system.process("api")) - before) / _CALLS
    return Cost(first * 1e3, statistics.median(times) * 1e3, cpu * 1e3, stored / (items / 2))


def _timed(system: System, job: str) -> float:
    begun = time.perf_counter()
    if len(system.catalog.next_cards(_CARDS, job_id=job)) < _CARDS:
        raise RuntimeError("too few cards")
    return time.perf_counter() - begun


def main() -> None:
    parser = Options("near_copies", __doc__)
    parser.add_amount("mistakes", 1_000, 200, "to be cleared")
    parser.add_amount("items", 100_000, 10_000, "of the job of which cards are taken")
    parser.add_amount("seed", 7, 7)
    chosen = parser.chosen()
    random = Random(chosen.seed)
    products = catalogue(chosen.mistakes, random)
    with TemporaryDirectory() as folder, System(Path(folder), 0) as system:
        done = clear(system, products, chosen.mistakes)
        paid = cost(system, chosen.items, random)
    most = round(_DECISIONS_A_MISTAKE * chosen.mistakes)
    share = done.right / max(done.propagated, 1)
    rows = [
        ("items that need a look", len(products)),
        ("of which the model is wrong", sum(one.answer != one.code for one in products)),
        ("decisions", done.decisions),
        ("mistakes cleared", done.mistakes),
        ("items decided, the copies among them", done.items),
        ("copies", done.propagated),
        ("copies decided rightly", f"{share:.1%}"),
    ]
    costs = [
        ("first call of a process", f"{paid.first_ms:.0f} ms"),
        ("a later call, median", f"{paid.median_ms:.0f} ms"),
        ("CPU of the API process for it", f"{paid.cpu_ms:.0f} ms"),
        ("Redis, for an item that needs a look", f"{paid.bytes_per_item:.0f} bytes"),
    ]
    Result(
        name="near_copies",
        title="Deciding once for many",
        target=f"{chosen.mistakes:,} mistakes cleared with at most {most} decisions, {_RIGHT:.0%} of the copies right; "
        f"a call takes less than {_CPU_MS} ms of CPU",
        outcome=f"{done.decisions} decisions, {share:.1%} right; {paid.cpu_ms:.0f} ms",
        reached=done.decisions <= most and share >= _RIGHT and paid.cpu_ms < _CPU_MS,
        tables=[
            Table(("a person", ""), rows),
            Table((f"{_CARDS} cards of a job of {chosen.items:,} items, half of them open", ""), costs),
        ],
        notes=[
            f"products in 1 to {_MOST_VARIANTS} variants, in {_JOBS} jobs and in random order; the model is wrong "
            f"about {_WRONG:.0%} of the products and answers {_DIFFERS:.0%} of the variants differently from the rest; "
            f"{VAGUE_TITLE:.0%} of the products have vague titles",
        ],
        command=f"python -m benchmarks.near_copies --mistakes {chosen.mistakes} --items {chosen.items}",
    ).save(chosen.output)
    print(f"{done.decisions} decisions for {done.mistakes} mistakes, {share:.1%} of {done.propagated} copies right")
    print(f"first call {paid.first_ms:.0f} ms, later {paid.median_ms:.0f} ms, CPU {paid.cpu_ms:.0f} ms")


if __name__ == "__main__":
    main()
