"""Whether the words that an explanation names carry the answer: they are taken out, and as many others.

The bundle's text network answers products that its training has not learned. Run it as

    .venv/bin/python -m benchmarks.explanation --titles CSV
"""

import argparse
import csv
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.harness import Options, Result, Table
from benchmarks.system import add_titles, titles_as_typed
from shared.model import runtimes
from shared.model.bundle import Bundle
from shared.model.explanation import effects, named, without_each
from shared.model.fusion import Probabilities
from shared.model.text import TextEncoder, TokenIds, pad
from shared.words import words
from stack.services import bundle_folder
from training.catalogue.challenge import PRODUCTS_FILE
from training.pipeline.splits import identify
from training.sample.catalogue import generate

_TIMES = 3
"""The target: as many times more answers turn without the words that are named as without others."""
_SHORTEST = 4
"""Words of a text of which a quarter can be taken out and something is left."""


class Answers:
    """The text network with its temperature, and the CPU time that it took."""

    def __init__(self, bundle: Bundle) -> None:
        self.encoder: TextEncoder = bundle.text_encoder()
        self._runtime = runtimes.load(bundle)
        self._fusion = bundle.manifest.fusion

    def to(self, texts: list[TokenIds]) -> Probabilities:
        """Return the probabilities, (texts, classes)."""
        return self._fusion.only_text(self._runtime.text(pad(texts)))


@dataclass
class Turned:
    """What taking words out did to the answers."""

    texts: int = 0
    named: int = 0
    """Answers that turned without the words that are named."""
    others: int = 0
    """Those that turned without as many words, drawn by chance."""
    answering_s: list[float] = field(default_factory=list)
    """CPU seconds of one answer alone; next, of what an explanation takes besides."""
    explaining_s: list[float] = field(default_factory=list)


def measure(answers: Answers, texts: list[list[str]]) -> Turned:
    random, turned = Random(7), Turned()
    for text in texts:
        ids = answers.encoder.ids(text)
        begun = time.process_time()
        answer = answers.to([ids])[0]
        answered = time.process_time()
        phrases = named(effects(answer, answers.to(without_each(ids))))
        turned.explaining_s.append(time.process_time() - answered)
        turned.answering_s.append(answered - begun)
        chosen = [word for first, count in phrases for word in range(first, first + count)]
        others = random.sample(range(len(ids)), len(chosen))
        left = answers.to([np.delete(ids, gone, axis=0) for gone in (chosen, others)]).argmax(axis=1)
        turned.texts += 1
        turned.named += int(left[0] != answer.argmax())
        turned.others += int(left[1] != answer.argmax())
    return turned


def _texts(options: argparse.Namespace, bundle: Bundle, count: int) -> tuple[list[list[str]], str]:
    """Texts of products that the bundle has not learned, and whose they are."""
    if options.titles is None:
        with TemporaryDirectory() as folder:
            generate(Path(folder), per_type=-(-count // 27), test_items=0, seed=11)
            return _read(Path(folder) / PRODUCTS_FILE)[:count], "generated products"
    texts = _read(options.titles)
    if bundle.known is not None:
        learned = bundle.known.identities[bundle.known.learned]
        seen = np.isin(identify([" ".join(text) for text in texts], [None] * len(texts)), learned)
        texts = [text for text, is_learned in zip(texts, seen, strict=True) if not is_learned]
    return Random(3).sample(texts, min(count, len(texts))), "real products that training has not learned"


def _read(table: Path) -> list[list[str]]:
    with table.open(encoding="utf-8", newline="") as file:
        texts = [words(row["designation"], row["description"]) for row in csv.DictReader(file)]
    return [text for text in texts if len(text) >= _SHORTEST]


def main() -> None:
    parser = Options("explanation", __doc__)
    add_titles(parser)
    parser.add_amount("items", 1_500, 200)
    chosen = parser.chosen()
    bundle = Bundle.load(bundle_folder())
    texts, source = _texts(chosen, bundle, chosen.items)
    turned = measure(Answers(bundle), texts)
    share, by_chance = turned.named / turned.texts, turned.others / turned.texts
    # The median: another process may have had the core for a while.
    extra, alone = (1000 * float(np.median(spent)) for spent in (turned.explaining_s, turned.answering_s))
    Result(
        name="explanation",
        title="Words that an explanation names, taken out",
        target=f"{_TIMES} times as many answers turn as without other words",
        outcome=f"{share:.0%} turn, {by_chance:.0%} without other words; {extra:.1f} core-ms",
        reached=share >= _TIMES * by_chance,
        tables=[
            Table(
                ("taken out", "answers that turn"),
                [("the words that are named", f"{share:.1%}"), ("as many others, by chance", f"{by_chance:.1%}")],
            ),
            Table(("answering", "core-ms"), [("once", round(alone, 2)), ("without each word", round(extra, 2))]),
        ],
        notes=[
            f"{turned.texts:,} texts of at least {_SHORTEST} words: {source}",
            "a quarter of the words is named, at most; the text network alone answers, in one batch per text",
        ],
        command=f"python -m benchmarks.explanation{titles_as_typed(chosen)} --items {chosen.items}",
    ).save(chosen.output)
    print(f"{share:.1%} turn, {by_chance:.1%} by chance; {extra:.2f} core-ms")


if __name__ == "__main__":
    main()
