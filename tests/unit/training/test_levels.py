"""Thresholds and figures per level of the tree, against counting by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.fusion import Probabilities
from shared.model.levels import Levels
from shared.model.review import Review
from shared.taxonomy import RAKUTEN, Taxonomy
from tests.trees import taxonomies
from training.judge.levels import choose_levels, hierarchical_f1, judged_above, level_figures
from training.judge.review import lower_bound
from training.judge.scores import Classes

NOTHING = Review(threshold=None, precision=0.9, coverage=0)


@st.composite
def judged_items(draw: st.DrawFn) -> tuple[Taxonomy, list[str], Probabilities, Classes]:
    """A taxonomy, its leaves as classes, answers to items, some without one, and the items' classes."""
    taxonomy = draw(taxonomies())
    codes = [leaf.code for leaf in taxonomy.leaves]
    items, seed = draw(st.integers(1, 25)), draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    classes = random.integers(len(codes), size=items)
    rows = random.dirichlet(np.full(len(codes), 0.3), items).astype(np.float32)
    rows[np.arange(items), classes] += random.choice([0, 0.8], items).astype(np.float32)
    answers = np.asarray(rows / rows.sum(axis=1, keepdims=True), np.float32)
    answers[random.random(items) < 0.1] = np.nan
    return taxonomy, codes, answers, classes


def path(taxonomy: Taxonomy, code: str) -> list[str]:
    return [category.code for category in taxonomy.path(code)]


@given(judged_items(), st.sampled_from([0.5, 0.9, 1.0]))
def test_from_a_levels_threshold_on_its_categories_are_precise_enough(
    made: tuple[Taxonomy, list[str], Probabilities, Classes], precision: float
) -> None:
    taxonomy, codes, answers, classes = made
    levels = Levels(codes, taxonomy)
    thresholds = choose_levels(answers, classes, levels, precision)
    assert len(thresholds) == levels.depth
    confidence, correct = judged_above(answers, classes, levels)
    for depth, threshold in enumerate(thresholds):
        of_level = confidence[:, depth]
        for tried in sorted({value for value in of_level.tolist() if not np.isnan(value)}):
            right = correct[of_level >= tried, depth]
            (surely,) = lower_bound(np.array([right.mean()]), np.array([len(right)]))
            if threshold is not None and tried == threshold:
                assert surely >= precision
            if threshold is None or tried < threshold:
                assert surely < precision


@given(judged_items())
def test_what_is_right_on_a_level_is_above_the_items_own_category(
    made: tuple[Taxonomy, list[str], Probabilities, Classes],
) -> None:
    taxonomy, codes, answers, classes = made
    _, correct = judged_above(answers, classes, Levels(codes, taxonomy))
    for row, answer in enumerate(answers):
        if np.isnan(answer[0]):
            assert not correct[row].any()
            continue
        said, wanted = path(taxonomy, codes[answer.argmax()]), path(taxonomy, codes[classes[row]])
        assert correct[row, : len(said) - 1].tolist() == [upper in wanted[:-1] for upper in said[:-1]]


@given(judged_items(), st.data())
def test_level_figures_count_as_results_say_it(
    made: tuple[Taxonomy, list[str], Probabilities, Classes], data: st.DataObject
) -> None:
    taxonomy, codes, answers, classes = made
    levels = Levels(codes, taxonomy)
    threshold = st.none() | st.sampled_from([0.3, 0.6, 0.9])
    review = Review(
        threshold=data.draw(threshold),
        precision=0.9,
        coverage=0.5,
        levels=tuple(data.draw(threshold) for _ in range(levels.depth)),
    )
    sure_right: list[tuple[int, list[str], list[str]]] = []
    confidence, _ = judged_above(answers, classes, levels)
    for row, answer in enumerate(answers):
        if np.isnan(answer[0]):
            continue
        said = path(taxonomy, codes[answer.argmax()])
        sure = review.sure(confidence[row, : len(said) - 1].tolist(), round(float(answer.max()), 4))
        sure_right.append((sure, said, path(taxonomy, codes[classes[row]])))
    figures = level_figures(review, answers, classes, levels)
    for level in range(1, levels.depth + 1):
        is_sure = [
            said[:level] == wanted[:level] if len(said) >= level else said == wanted
            for sure, said, wanted in sure_right
            if sure >= min(level, len(said))
        ]
        assert figures[f"level_{level}_coverage"] == pytest.approx(len(is_sure) / len(classes))
        if is_sure:
            assert figures[f"level_{level}_precision"] == pytest.approx(sum(is_sure) / len(is_sure))
        else:
            assert f"level_{level}_precision" not in figures


@given(judged_items())
def test_hierarchical_f1_counts_what_two_paths_have_in_common(
    made: tuple[Taxonomy, list[str], Probabilities, Classes],
) -> None:
    taxonomy, codes, answers, classes = made
    common = total = 0
    for answer, label in zip(answers, classes, strict=True):
        if not np.isnan(answer[0]):
            said, wanted = set(path(taxonomy, codes[answer.argmax()])), set(path(taxonomy, codes[label]))
            common, total = common + len(said & wanted), total + len(said) + len(wanted)
    expected = 2 * common / total if total else 0
    assert hierarchical_f1(answers, classes, Levels(codes, taxonomy)) == pytest.approx(expected)


def test_the_right_department_counts_half_of_a_path_of_two() -> None:
    codes = [leaf.code for leaf in RAKUTEN.leaves]
    levels = Levels(codes, RAKUTEN)
    answers = np.eye(len(codes), dtype=np.float32)[[codes.index("10"), codes.index("2705"), codes.index("2583")]]
    classes = np.array([codes.index(code) for code in ("10", "10", "10")])
    assert hierarchical_f1(answers, classes, levels) == pytest.approx((1 + 1 / 2 + 0) / 3)
    figures = level_figures(NOTHING.model_copy(update={"levels": (0.5,)}), answers, classes, levels)
    assert figures == {"level_1_coverage": 1, "level_1_precision": pytest.approx(2 / 3)}


def test_without_a_tree_there_are_no_levels() -> None:
    taxonomy = Taxonomy(tuple(category for category in RAKUTEN.leaves if category.code in ("10", "40")))
    flat = Taxonomy(tuple(type(category)(category.code, category.name) for category in taxonomy.categories))
    levels = Levels(["10", "40"], flat)
    answers, classes = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32), np.array([0, 0])
    assert choose_levels(answers, classes, levels, 0.95) == ()
    assert level_figures(NOTHING, answers, classes, levels) == {}
    assert hierarchical_f1(answers, classes, levels) == 0.5
