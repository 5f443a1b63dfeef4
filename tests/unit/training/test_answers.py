"""A bundle's answers have the columns of the items' categories, whatever its own are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.bundles import altered
from shared.model import runtimes
from shared.model.bundle import GOLDEN, Bundle
from shared.settings import ROOT
from shared.taxonomy import RAKUTEN, Taxonomy
from shared.words import words
from tests.rakuten import CATEGORIES, CODES
from training.judge.answers import answer
from training.pipeline.categories import Categories
from training.pipeline.layout import STARTER
from training.pipeline.prepared import Items

TITLES = ("Piscine tubulaire ronde", "Manette sans fil pour console", "")


def _items() -> Items:
    rows = np.arange(len(TITLES))
    features = np.full((len(rows), 4), np.nan, np.float16)
    return Items(rows, rows.astype(np.uint64), [words(title, None) for title in TITLES], features, rows, CATEGORIES)


def _fused(bundle: Bundle) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return answer(bundle, runtimes.load(bundle), _items()).fused


def test_another_order_and_other_categories_are_put_in_ours(tmp_path: Path) -> None:
    starter = Bundle.load(ROOT / STARTER)
    expected = _fused(starter)
    mirrored = dict(zip(CODES, CODES[::-1], strict=True))
    labels = tuple(mirrored[code] for code in starter.codes)
    reordered = altered(starter, tmp_path / "reordered", without=(GOLDEN,), labels=labels)
    assert np.array_equal(_fused(reordered), expected[:, ::-1], equal_nan=True)
    labels = tuple("books" if code == CODES[0] else code for code in starter.codes)
    other = altered(starter, tmp_path / "other", without=(GOLDEN,), labels=labels)
    assert np.array_equal(_fused(other)[:2, 1:], expected[:2, 1:])
    assert not _fused(other)[:2, 0].any()
    assert np.isnan(_fused(other)[2]).all()


def test_a_bundle_answers_for_what_was_merged_into_its_categories(tmp_path: Path) -> None:
    starter = Bundle.load(ROOT / STARTER)
    moved = [
        replace(category, moved_to="2705") if category.code == "10" else category for category in RAKUTEN.categories
    ]
    taxonomy = Taxonomy(tuple(moved))
    categories = Categories.of(taxonomy, CODES)
    items = replace(_items(), categories=categories)
    before, after = _fused(starter), answer(starter, runtimes.load(starter), items).fused
    assert after.shape[1] == before.shape[1] - 1
    whole = before[:2, CODES.index("10")] + before[:2, CODES.index("2705")]
    assert after[:2, categories.class_of["2705"]] == pytest.approx(whole, abs=1e-6)
