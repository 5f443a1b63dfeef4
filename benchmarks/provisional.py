"""What a column of its own gains for a category that the model does not know, from a few decided examples.

The bundle's text network answers products that its training has not learned. Categories are left out in turn: their
probability is taken away, and a column fitted to other products brings them back. Run it as

    .venv/bin/python -m benchmarks.provisional --titles CSV
"""

import argparse
import csv
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from benchmarks.harness import Options, Result, Table
from benchmarks.system import add_titles, titles_as_typed
from shared.model import runtimes
from shared.model.bundle import Bundle
from shared.model.column import AnsweredText, TextFeatures, text_features
from shared.model.column_fit import fit
from shared.model.fusion import Probabilities
from shared.model.known import Identities, KnownItems
from shared.model.text import by_length, pad
from shared.pipeline.params import load_params
from shared.words import words
from stack.services import bundle_folder
from training.catalogue.challenge import LABELS_FILE, PRODUCTS_FILE
from training.pipeline.splits import TEST, TRAIN, VALIDATION, identify, split
from training.sample.catalogue import generate

_EXAMPLES = (5, 20, 50)
"""Decided examples of a category."""
_OTHERS = 2000
"""Other items, among which those of the category are as frequent as everywhere."""
_GENERATED = 180
"""Generated products of each category."""
_FEWEST = 20
"""Products to answer of a category that is left out."""
_SHARE = 0.58
"""The target: of what the category costs while nobody knows it, the share that twenty examples bring back."""
_LOSS = 0.003
"""The most that the F1 of the other categories may lose."""
_AT_ONCE = 256

Labels = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Products:
    answers: Probabilities
    codes: Labels
    """Those of the columns of `answers`."""
    labels: Labels
    texts: list[TextFeatures]

    def without(self, code: str) -> Probabilities:
        """The answers of a model that lacks the category."""
        left = np.where(self.codes == code, 0, self.answers)
        return np.asarray(left / left.sum(axis=1, keepdims=True), np.float32)


@dataclass(frozen=True)
class Parts:
    """Products of the same kind: to answer, to hold examples against, and to take further examples from."""

    answered: Products
    others: Products
    learned: Products

    @property
    def left_out(self) -> list[str]:
        """The categories that are left out, one at a time."""
        counts, further = (Counter(part.labels.tolist()) for part in (self.answered, self.learned))
        codes = self.answered.codes.tolist()
        return [code for code in codes if counts[code] >= _FEWEST and further[code] >= max(_EXAMPLES)]


@dataclass
class Gained:
    """What the columns did, a value per category and seed."""

    without: list[float] = field(default_factory=list)
    """Weighted F1 over all products with the category left out, then with its column, and with it in the model."""
    given: list[float] = field(default_factory=list)
    known: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    """What the weighted F1 of the other categories gains."""
    named: int = 0
    """Products that got the category."""
    right: int = 0
    there: int = 0
    """Products of it."""
    silent: int = 0
    """Categories and seeds for which no column was good enough."""
    seconds: list[float] = field(default_factory=list)
    """CPU seconds of a fit."""

    @property
    def brought_back(self) -> float:
        """The share of what the category costs."""
        before, after, most = (sum(values) for values in (self.without, self.given, self.known))
        return (after - before) / (most - before)


def measure(parts: Parts, examples: int, seeds: Sequence[int]) -> Gained:
    gained = Gained()
    for code in parts.left_out:
        for seed in seeds:
            _leave_out(parts, code, examples, seed, gained)
    return gained


def _leave_out(parts: Parts, code: str, count: int, seed: int, gained: Gained) -> None:
    examples, others = _examples(parts, code, count, seed)
    begun = time.process_time()
    column = fit(code, examples, others)
    gained.seconds.append(time.process_time() - begun)
    labels, codes = parts.answered.labels, parts.answered.codes
    without = codes[parts.answered.without(code).argmax(axis=1)]
    asked = _texts(parts.answered, code, range(len(labels)))
    named = np.array([column is not None and column.score(text) >= column.threshold for text in asked], bool)
    given = np.where(named, code, without)
    gained.without.append(_f1(labels, without))
    gained.given.append(_f1(labels, given))
    gained.known.append(_f1(labels, codes[parts.answered.answers.argmax(axis=1)]))
    rest = [other for other in codes.tolist() if other != code]
    gained.others.append(_f1(labels, given, rest) - _f1(labels, without, rest))
    gained.silent += column is None
    gained.named += int(named.sum())
    gained.right += int((named & (labels == code)).sum())
    gained.there += int((labels == code).sum())


def _examples(parts: Parts, code: str, count: int, seed: int) -> tuple[list[AnsweredText], list[AnsweredText]]:
    """Decided examples of the category, and other products; half of those of the category are among these, unknown."""
    random = np.random.default_rng(seed)
    order, further = (random.permutation(len(part.labels)).tolist() for part in (parts.others, parts.learned))
    own = [index for index in order if parts.others.labels[index] == code]
    decided = own[: min(count, max(1, len(own) // 2))]
    rest = [index for index in further if parts.learned.labels[index] == code][: count - len(decided)]
    apart = set(decided)
    others = [index for index in order if index not in apart][:_OTHERS]
    examples = [*_texts(parts.others, code, decided), *_texts(parts.learned, code, rest)]
    return examples, _texts(parts.others, code, others)


def _texts(products: Products, code: str, indices: Iterable[int]) -> list[AnsweredText]:
    confidences = products.without(code).max(axis=1)
    return [AnsweredText(products.texts[index], float(confidences[index])) for index in indices]


def _f1(labels: Labels, answers: Labels, among: Sequence[str] | None = None) -> float:
    return float(f1_score(labels, answers, labels=among, average="weighted", zero_division=0))


def _products(options: argparse.Namespace, bundle: Bundle) -> tuple[Parts, str]:
    """The products, and whose they are."""
    if options.titles is None:
        with TemporaryDirectory() as folder:
            generate(Path(folder), per_type=_GENERATED, test_items=0, seed=11)
            texts, labels = _read(Path(folder) / PRODUCTS_FILE)
        places = np.array([TEST, VALIDATION, TRAIN])[np.arange(len(texts)) % 3]
        return _divided(bundle, texts, labels, places), "generated products"
    texts, labels = _read(options.titles)
    identities = identify([" ".join(text) for text in texts], [None] * len(texts))
    places = split(identities, labels, load_params().preprocess)
    if bundle.known is not None and np.isin(identities[places == TEST], _learned(bundle.known)).any():
        raise SystemExit("the bundle has learned from products that these splits hold out: measure the starter")
    return _divided(bundle, texts, labels, places), "real products of the test split"


def _learned(known: KnownItems) -> Identities:
    return known.identities[known.learned]


def _read(table: Path) -> tuple[list[list[str]], Labels]:
    with table.open(encoding="utf-8", newline="") as file:
        texts = [words(row["designation"], row["description"]) for row in csv.DictReader(file)]
    with table.with_name(LABELS_FILE).open(encoding="utf-8", newline="") as file:
        labels = [row["prdtypecode"] for row in csv.DictReader(file)]
    kept = [index for index, text in enumerate(texts) if text]
    return [texts[index] for index in kept], np.array([labels[index] for index in kept])


def _divided(bundle: Bundle, texts: list[list[str]], labels: Labels, places: Labels) -> Parts:
    answers, codes = _answers(bundle, texts), np.array(bundle.codes)

    def part(name: str) -> Products:
        rows = np.flatnonzero(places == name)
        return Products(answers[rows], codes, labels[rows], [text_features(texts[row]) for row in rows])

    return Parts(part(TEST), part(VALIDATION), part(TRAIN))


def _answers(bundle: Bundle, texts: list[list[str]]) -> Probabilities:
    encoder, runtime, fusion = bundle.text_encoder(), runtimes.load(bundle), bundle.manifest.fusion
    ids = [encoder.ids(text) for text in texts]
    answers = np.empty((len(ids), len(bundle.codes)), np.float32)
    for group in by_length(ids):
        for first in range(0, len(group), _AT_ONCE):
            some = group[first : first + _AT_ONCE]
            answers[some] = fusion.only_text(runtime.text(pad([ids[index] for index in some])))
    return answers


def _row(examples: int, gained: Gained) -> tuple[object, ...]:
    figures = (float(np.mean(values)) for values in (gained.without, gained.given, gained.known))
    return (
        examples,
        *(f"{figure:.4f}" for figure in figures),
        f"{gained.brought_back:.0%}",
        f"{gained.right / gained.there:.2f}",
        f"{gained.right / gained.named:.2f}" if gained.named else "",
        f"{100 * np.mean(gained.others):+.2f}",
        f"{100 * min(gained.others):+.2f}",
        f"{gained.silent} of {len(gained.others)}",
        round(float(np.median(gained.seconds)), 2),
    )


_COLUMNS = (
    "examples", "F1 without", "with the column", "known to the model", "brought back", "recall", "precision",
    "F1 of the others, points", "the worst", "silent", "core-s",
)  # fmt: skip


def main() -> None:
    parser = Options("provisional", __doc__)
    add_titles(parser)
    parser.add_amount("seeds", 3, 1, "draws of examples for each category")
    chosen = parser.chosen()
    parts, source = _products(chosen, Bundle.load(bundle_folder()))
    gained = {count: measure(parts, count, range(chosen.seeds)) for count in _EXAMPLES}
    aim = gained[20]
    worst = min(min(each.others) for each in gained.values())
    Result(
        name="provisional",
        title="A new category before its training",
        target=f"20 examples bring back {_SHARE:.0%} of what the category costs, and none of the other categories' F1 "
        f"loses more than {100 * _LOSS:.1f} points",
        outcome=f"{aim.brought_back:.0%} with 20, {gained[50].brought_back:.0%} with 50; the others at worst "
        f"{100 * worst:+.2f} points",
        reached=aim.brought_back >= _SHARE and worst >= -_LOSS,
        tables=[Table(_COLUMNS, [_row(count, each) for count, each in gained.items()])],
        notes=[
            f"{len(parts.answered.labels):,} texts: {source}; {len(parts.left_out)} categories are left out in turn, "
            f"with {chosen.seeds} draws of examples each",
            "the model was trained with the category, whose probability is taken away; one that was trained without it "
            "may be surer of its wrong answers",
            "F1 is weighted, over all products: the mean of all categories and draws; recall and precision are of all "
            "products that are, or got, a left-out category",
            f"examples are held against up to {_OTHERS:,} products of the validation split, among which some are of "
            "the category without anybody having said so; if it has too few examples, the training split has more",
        ],
        command=f"python -m benchmarks.provisional{titles_as_typed(chosen)} --seeds {chosen.seeds}",
    ).save(chosen.output)
    print("; ".join(f"{count} examples: {each.brought_back:.0%} brought back" for count, each in gained.items()))


if __name__ == "__main__":
    main()
