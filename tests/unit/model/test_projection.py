"""A taxonomy in force acts on a model's answers: merges, retirements, and the levels above an answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.fusion import Prediction, Probabilities
from shared.model.levels import Levels
from shared.model.projection import Projection
from shared.taxonomy import RAKUTEN, Taxonomy
from shared.taxonomy.categories import Category
from tests.trees import ends_of_branches, taxonomies

ITEMS = 5


def probabilities(draw: st.DrawFn, width: int) -> Probabilities:
    """Rows that add up to 1, some of them with zeros, some with one category alone."""
    seed, sharp = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.02, 0.3, 5]))
    rows = np.random.default_rng(seed).gamma(sharp, size=(ITEMS, width)).astype(np.float32)
    rows[np.arange(ITEMS), np.arange(ITEMS) % width] += np.float32(1e-6)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True), np.float32)


@st.composite
def answered(draw: st.DrawFn, *, lively: bool) -> tuple[Taxonomy, list[str], Probabilities]:
    """A taxonomy, the codes of a model that knows some of its leaves, and answers of the model."""
    taxonomy = draw(taxonomies(lively=lively))
    leaves = ends_of_branches(taxonomy)
    codes = draw(st.lists(st.sampled_from(leaves), min_size=1, unique=True))
    return taxonomy, codes, probabilities(draw, len(codes))


@given(answered(lively=False))
def test_sums_are_those_of_a_loop_over_all_leaves(made: tuple[Taxonomy, list[str], Probabilities]) -> None:
    taxonomy, codes, fused = made
    levels = Levels(codes, taxonomy)
    columns = fused.argmax(axis=1)
    sums = levels.sums(fused, columns)
    for row, column in enumerate(columns):
        above = [category.code for category in taxonomy.path(codes[column])][:-1]
        found = [levels.inner[number] for number in levels.above[column] if number >= 0]
        assert found == above
        below = [
            sum(p for code, p in zip(codes, fused[row].tolist(), strict=True) if upper in _path(taxonomy, code))
            for upper in above
        ]
        assert sums[row, : len(above)] == pytest.approx(below, abs=1e-6)
        assert np.isnan(sums[row, len(above) :]).all()


@given(answered(lively=False))
def test_confidences_never_fall_on_the_way_up(made: tuple[Taxonomy, list[str], Probabilities]) -> None:
    taxonomy, codes, fused = made
    columns = fused.argmax(axis=1)
    sums = Levels(codes, taxonomy).sums(fused, columns)
    path = np.column_stack([sums, fused.max(axis=1)])
    for row in path:
        known = row[~np.isnan(row)]
        assert (np.diff(known) <= 0).all()
        assert known[0] <= max(1, known[-1])


@given(answered(lively=True))
def test_a_projection_adds_merges_and_leaves_out_what_is_retired(
    made: tuple[Taxonomy, list[str], Probabilities],
) -> None:
    taxonomy, codes, fused = made
    projection = Projection(codes, taxonomy)
    projected = projection.project(Prediction(fused, fused, np.full_like(fused, np.nan)))
    left = [code for code in codes if taxonomy.successor(code) is not None]
    expected = dict.fromkeys(projection.codes, 0.0)
    assert projected.prediction.fused.sum(axis=1) == pytest.approx(np.ones(ITEMS), abs=1e-5)
    assert np.isnan(projected.prediction.image).all()
    assert projected.prediction.image.shape == projected.prediction.fused.shape == (ITEMS, len(projection.codes))
    if not left:
        assert projection.codes == tuple(codes)
        assert projected.doubtful.all()
        return
    assert set(projection.codes) == {taxonomy.successor(code) for code in left}
    for row in range(ITEMS):
        sums = dict(expected)
        for code, probability in zip(codes, fused[row].tolist(), strict=True):
            if (end := taxonomy.successor(code)) is not None:
                sums[end] += probability
        total = sum(sums.values())
        if abs(total - 0.5) > 1e-5:
            assert projected.doubtful[row] == (total < 0.5)
        if total > 1e-30:
            shares = [sums[code] / total for code in projection.codes]
            assert projected.prediction.fused[row].tolist() == pytest.approx(shares, abs=1e-5)


@given(answered(lively=False))
def test_without_merges_and_retirements_nothing_is_computed(made: tuple[Taxonomy, list[str], Probabilities]) -> None:
    taxonomy, codes, fused = made
    prediction = Prediction(fused, fused, fused)
    projection = Projection(codes, taxonomy)
    projected = projection.project(prediction)
    assert projected.prediction is prediction
    assert projection.codes == tuple(codes)
    assert not projected.doubtful.any()


def test_an_item_of_a_retired_category_gets_what_is_left_and_is_doubtful() -> None:
    taxonomy = Taxonomy((Category("a", "A"), Category("b", "B"), Category("old", "Old", retired=True)))
    fused = np.array([[0.1, 0.2, 0.7], [0, 0, 1], [0.4, 0.5, 0.1]], np.float32)
    projected = Projection(["a", "b", "old"], taxonomy).project(Prediction(fused, fused, fused))
    assert projected.prediction.fused.tolist() == [
        pytest.approx([1 / 3, 2 / 3]),
        [0.5, 0.5],
        pytest.approx([4 / 9, 5 / 9]),
    ]
    assert projected.doubtful.tolist() == [True, True, False]


def test_a_merge_into_a_category_without_training_is_answered_with_it() -> None:
    taxonomy = Taxonomy((Category("a", "A", moved_to="new"), Category("b", "B"), Category("new", "New")))
    fused = np.array([[0.7, 0.3]], np.float32)
    projection = Projection(["a", "b"], taxonomy)
    assert projection.codes == ("new", "b")
    assert projection.project(Prediction(fused, fused, fused)).prediction.fused.tolist() == fused.tolist()


def test_a_code_that_the_taxonomy_lacks_stands_alone() -> None:
    levels = Levels(["2583", "unknown"], RAKUTEN)
    assert (levels.inner, levels.above.tolist()) == (("garden",), [[0], [-1]])
    sums = levels.sums(np.array([[0.6, 0.4], [0.1, 0.9]], np.float32), np.array([0, 1]))
    assert sums.tolist() == [[pytest.approx(0.6)], [pytest.approx(np.nan, nan_ok=True)]]


def test_a_category_that_was_split_since_counts_with_what_lies_below_it() -> None:
    """The model answers with what is now an inner category, and with one that was moved below it."""
    taxonomy = Taxonomy((Category("shoes", "Shoes"), Category("boots", "Boots", parent="shoes"), Category("hats", "H")))
    levels = Levels(["shoes", "boots", "hats"], taxonomy)
    sums = levels.sums(np.array([[0.3, 0.5, 0.2], [0.6, 0.3, 0.1]], np.float32), np.array([1, 0]))
    assert sums[0].tolist() == [pytest.approx(0.8)]
    assert np.isnan(sums[1, 0])


def _path(taxonomy: Taxonomy, code: str) -> set[str]:
    return {category.code for category in taxonomy.path(code)}
