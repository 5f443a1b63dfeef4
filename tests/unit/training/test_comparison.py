"""comparison.html and model_card.md, from small made-up answers."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from benchmarks.invented_catalogue import taxonomy
from shared.model.bundle import Bundle
from shared.model.review import Review
from shared.pipeline.stages import GateCheck, GateVerdict
from shared.settings import ROOT
from tests.pictures import jpeg
from tests.rakuten import CATEGORIES, CODES
from training.catalogue.pictures import Picture, PictureWriter
from training.judge.comparison import Compared, write_comparison
from training.judge.comparison.flips import SHOWN, categories, find_flips
from training.judge.gate_checks import Answers
from training.judge.levels import tree_figures
from training.judge.report.model_card import bundle_of, model_card
from training.judge.scores import confusion, per_class, score
from training.pipeline.categories import Categories
from training.pipeline.layout import STARTER
from training.pipeline.prepared import Items

ITEMS = 60
EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>'


def _answers(right: np.ndarray, classes: np.ndarray) -> Answers:
    """Answers that are right where `right` says so, and else one category further; each surer than the last."""
    said = np.where(right, classes, (classes + 1) % len(CODES))
    fused = np.full((len(classes), len(CODES)), 0.001, np.float32)
    fused[np.arange(len(classes)), said] = np.linspace(0.5, 0.9, len(classes))
    return Answers(fused, Review(threshold=0.7, precision=0.9, coverage=0.5))


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    folder = tmp_path / "imported"
    folder.mkdir()
    with PictureWriter(folder / "pictures.parquet") as pictures:
        pictures.add(Picture("ab" * 32, jpeg("red", (900, 700))))
    titles = [EVIL if row == 0 else f"Poup&eacute;e {row}" for row in range(ITEMS)]
    shown = ["ab" * 32 if row % 2 else None for row in range(ITEMS)]
    products = pd.DataFrame({"row": range(ITEMS), "title": titles, "picture": shown})
    products.to_parquet(folder / "products.parquet")
    return folder


@pytest.fixture
def compared() -> Compared:
    """The challenger has lost the first 40 items of 60, and won the last 10."""
    classes = np.arange(ITEMS) % 5
    items = Items(
        rows=np.arange(ITEMS),
        identities=np.arange(ITEMS, dtype=np.uint64),
        words=[["word"]] * ITEMS,
        features=np.full((ITEMS, 1), np.nan, np.float16),
        classes=classes,
        categories=CATEGORIES,
    )
    rows = np.arange(ITEMS)
    return Compared(items, _answers(rows < 50, classes), _answers(rows >= 40, classes))


def _verdict(*, passed: bool = False) -> GateVerdict:
    check = GateCheck(name="weighted_f1", passed=passed, detail=EVIL, figures={})
    return GateVerdict(
        challenger="new", champion="old", items=ITEMS, passed=passed, detail="It is. So", checks=(check,)
    )


def test_flips_are_bounded_and_the_surest_come_first(compared: Compared, imported: Path) -> None:
    flips = find_flips(compared, imported)
    assert (flips["worse"].total, flips["better"].total) == (40, 10)
    assert len(flips["worse"].shown) == SHOWN
    first = flips["worse"].shown[0]
    assert (first.title, first.before, first.label) == ("Poupée 39", first.label, first.before)
    assert first.after != first.label
    assert all(len(flip.picture or "") < 10_000 for flip in flips["worse"].shown)
    assert {flip.picture is None for flip in flips["better"].shown} == {True, False}


def test_categories_are_ordered_by_what_they_cost(compared: Compared) -> None:
    lines = categories(compared)
    assert len(lines) == 5
    costs = [line["gain"] * line["items"] for line in lines]
    assert costs == sorted(costs)
    assert all(line["gain"] == pytest.approx(line["after"] - line["before"], abs=1e-4) for line in lines)


def test_the_page_holds_no_markup_of_the_catalogue_and_names_no_resource(
    compared: Compared, imported: Path, tmp_path: Path
) -> None:
    swapped = Compared(compared.items.where(np.arange(ITEMS) < 5), *_first(compared))
    for passed in (True, False):
        write_comparison(tmp_path / "page.html", _verdict(passed=passed), swapped, imported, tmp_path / "none")
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert "&lt;script&gt;alert" in page
        assert "<script" not in page
        assert "onerror=" not in re.sub(r"&lt;.*?&gt;", "", page)
        assert not re.findall(r'(?:src|href)="(?!data:)', page)
        assert ("Passed" if passed else "Refused for weighted F1") in page


def test_the_page_says_when_its_items_decide_nothing(compared: Compared, imported: Path, tmp_path: Path) -> None:
    for decides in (True, False):
        write_comparison(
            tmp_path / "page.html", _verdict(), replace(compared, decides=decides), imported, tmp_path / "none"
        )
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert ("No item here decides anything" in page) is not decides
        assert f"on {ITEMS} items" in page


def _first(compared: Compared) -> tuple[Answers, Answers]:
    assert compared.champion is not None
    few = [Answers(answers.fused[:5], answers.review) for answers in (compared.champion, compared.challenger)]
    return few[0], few[1]


def test_without_a_champion_the_mistakes_are_shown(compared: Compared, imported: Path, tmp_path: Path) -> None:
    alone = Compared(compared.items, None, compared.challenger)
    write_comparison(tmp_path / "page.html", _verdict(), alone, imported, tmp_path / "none")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Wrong answers" in page
    assert "<dt>champion</dt>" not in page


def test_too_few_items_leave_the_verdict_alone(imported: Path, tmp_path: Path) -> None:
    write_comparison(tmp_path / "page.html", _verdict(), None, imported, tmp_path / "none")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "The gate" in page
    assert "by category" not in page


def test_the_card_says_what_one_must_know(compared: Compared) -> None:
    bundle = Bundle.load(ROOT / STARTER)
    fused, classes = compared.challenger.fused, compared.items.classes
    figures = {**score(fused, classes), "review_coverage": 0.5, "review_precision": 0.9}
    metrics = {"text": {"items": 0.0}, "image": score(fused, classes), "fusion": figures}
    table = per_class(confusion(fused, classes), CATEGORIES)
    card = model_card(bundle, {"train": 900, "test": 60}, metrics, table, "s3://shop/`catalogue`", None)
    assert bundle_of(card) == bundle.id
    for heading in ("Data", "Figures on the test split", "Review threshold", "Figures by category", "Limits"):
        assert f"## {heading}" in card
    assert "from `s3://shop/catalogue`" in card
    assert "Licence of the data: not stated" in card
    assert "| text alone |  |  |  |  | 0 |" in card
    assert bundle.manifest.code in card
    assert "50.0% of the items are above it, and 90.0% of these answers are right" in card


def test_the_card_says_how_much_is_sure_on_each_level(compared: Compared) -> None:
    starter = Bundle.load(ROOT / STARTER)
    review = starter.manifest.review.model_copy(update={"levels": (0.7123, None)})
    bundle = Bundle(starter.folder, starter.manifest.model_copy(update={"review": review}))
    fused, items = compared.challenger.fused, compared.items
    levels = items.categories.levels
    figures = {
        **score(fused, items.classes),
        **tree_figures(fused, items.classes, levels),
        "review_coverage": 0.5,
        "review_precision": 0.9,
        "level_1_coverage": 0.8,
        "level_1_precision": 0.951,
        "level_2_coverage": 0.0,
    }
    metrics = {"text": {"items": 0.0}, "image": {"items": 0.0}, "fusion": figures}
    table = per_class(confusion(fused, items.classes), CATEGORIES)
    card = model_card(bundle, {"train": 900, "test": 60}, metrics, table, "", None)
    assert f"| {figures['hierarchical_f1']:.3f} |" in card
    assert "| level | threshold | items that are sure | of these right |" in card
    assert "| 1 | 0.7123 | 80.0% | 95.1% |" in card
    assert "| 2 | none is precise enough | 0.0% |  |" in card
    assert f"| the answer | {review.threshold} | 50.0% | 90.0% |" in card


def _of_many(width: int, items: int) -> tuple[Categories, pd.DataFrame]:
    """Answers to many categories: the first ones are the most frequent, and the last of these the weakest."""
    tree = taxonomy(width)
    categories = Categories(tree, tuple(leaf.code for leaf in tree.leaves))
    actual = np.repeat(np.arange(width), np.r_[np.full(100, 30), np.full(width - 100, items)])
    wrong = (actual >= 60) & (actual < 100) & (np.arange(len(actual)) % 3 > 0)
    counts = csr_matrix(
        (np.ones(len(actual), np.int64), (actual, np.where(wrong, actual + 100, actual))), shape=(width, width)
    )
    return categories, per_class(counts, categories)


def test_of_many_categories_the_card_lists_the_most_frequent_and_the_weakest() -> None:
    categories, table = _of_many(5000, items=1)
    starter = Bundle.load(ROOT / STARTER)
    metrics = {branch: {"items": 1.0} for branch in ("text", "image", "fusion")}
    card = model_card(starter, {"train": 900, "test": 60}, metrics, table, "", None)
    listed = re.findall(r"^\| Category \d+ \| (LEAF-\d+) \|", card, re.MULTILINE)
    assert listed[:40] == list(categories.codes[:40])
    assert len(listed) == 60
    assert set(listed[40:]) <= set(categories.codes[60:100])
    assert "5,000 categories have test items; `per_class.csv` has the figures of each." in card
    assert "by F1, of those with 10 items or more: Category 6" in card
    assert len(card) < 10_000


def test_of_many_categories_the_page_shows_the_worst_and_the_best(imported: Path, tmp_path: Path) -> None:
    width = 600
    known, _ = _of_many(width, items=1)
    classes = np.arange(width)
    items = Items(
        rows=classes % ITEMS,
        identities=classes.astype(np.uint64),
        words=[["word"]] * width,
        features=np.full((width, 1), np.nan, np.float16),
        classes=classes,
        categories=known,
    )
    before, after = (np.eye(width, dtype=np.float32) for _ in range(2))
    before[100:200] = np.roll(before[100:200], 1, axis=0)
    after[300:400] = np.roll(after[300:400], 1, axis=0)
    review = Review(threshold=0.5, precision=0.95, coverage=1)
    compared = Compared(items, Answers(before, review), Answers(after, review))
    write_comparison(tmp_path / "page.html", _verdict(), compared, imported, tmp_path / "none")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    shown = re.findall(r'<tr><td>Category (\d+) <span class="quiet">LEAF-', page)
    assert len(shown) == 60
    assert all(300 <= int(number) < 400 for number in shown[:40])
    assert all(100 <= int(number) < 200 for number in shown[40:])
    assert "Of 600 categories with items, the first 40 and the last 20 are shown." in page
    write_comparison(
        tmp_path / "page.html", _verdict(), Compared(items, None, Answers(after, review)), imported, tmp_path
    )
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<span class="quiet">LEAF-', page)) == 60
