import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.model.fusion import Fusion, Lengths, Probabilities, fuse, softmax
from training.fit.fusion import fit_fusion, out_of_fold, unfitted
from training.judge.scores import calibration_error, score

CLASSES = 5


def _branch(random: np.random.Generator, classes: npt.NDArray[np.int64], skill: float, heat: float) -> Probabilities:
    """A branch that is right more often with more skill, and too sure of itself with more heat."""
    scores = random.normal(size=(len(classes), CLASSES)) + skill * np.eye(CLASSES)[classes]
    return softmax(heat * scores)


def usual(items: int) -> Lengths:
    """All texts have eight words, on which the slopes have no say."""
    return np.full(items, 8)


@pytest.fixture
def items() -> tuple[Probabilities, Probabilities, npt.NDArray[np.int64]]:
    random = np.random.default_rng(3)
    classes = random.integers(0, CLASSES, 3000)
    return _branch(random, classes, 2.0, 3.0), _branch(random, classes, 1.0, 3.0), classes


def test_the_fusion_beats_either_branch_and_is_calibrated(
    items: tuple[Probabilities, Probabilities, npt.NDArray[np.int64]],
) -> None:
    text, image, classes = items
    fusion = fit_fusion(text[:1500], image[:1500], usual(1500), classes[:1500])
    verdict = fuse(fusion, text[1500:], image[1500:], usual(1500))
    held_out = classes[1500:]
    fused = score(verdict.fused, held_out)
    assert (
        fused["weighted_f1"]
        > score(text[1500:], held_out)["weighted_f1"]
        > score(image[1500:], held_out)["weighted_f1"]
    )
    assert fused["calibration_error"] < 0.04 < calibration_error(text[1500:], held_out)
    assert fusion.text > fusion.image > 0


def test_an_item_with_one_branch_gets_its_answer(
    items: tuple[Probabilities, Probabilities, npt.NDArray[np.int64]],
) -> None:
    text, image, classes = items
    fusion = fit_fusion(text, image, usual(len(text)), classes)
    text, image = text[:3].copy(), image[:3].copy()
    text[0], image[1] = np.nan, np.nan
    fused = fuse(fusion, text, image, usual(len(text))).fused
    assert fused.argmax(axis=1)[:2].tolist() == [image[0].argmax(), text[1].argmax()]
    assert fused.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_an_item_without_branches_gets_no_answer() -> None:
    nothing = np.full((1, CLASSES), np.nan, np.float32)
    fusion = Fusion(text=1, image=1, text_alone=1, image_alone=1, bias=(0,) * CLASSES)
    assert np.isnan(fuse(fusion, nothing, nothing, usual(1)).fused).all()


def test_fusion_without_items_of_one_branch_uses_the_other() -> None:
    random = np.random.default_rng(1)
    classes = random.integers(0, CLASSES, 200)
    text = _branch(random, classes, 2.0, 1.0)
    fusion = fit_fusion(text, np.full_like(text, np.nan), usual(200), classes)
    assert fusion.text_alone > 0
    assert not np.isnan(fusion.only_text(text)).any()


def test_out_of_fold_answers_do_not_depend_on_the_items_own_class() -> None:
    random = np.random.default_rng(2)
    # The first item is the only one of its class, 0 or 1, and before all others either way: the folds stay the same.
    zero = np.concatenate([[0], random.integers(2, CLASSES, 39)])
    one = np.concatenate([[1], zero[1:]])
    text, image = _branch(random, zero, 1.0, 1.0), _branch(random, zero, 1.0, 1.0)
    said_with_zero, said_with_one = (out_of_fold(text, image, usual(40), classes, seed=4) for classes in (zero, one))
    assert said_with_zero[0].tolist() == said_with_one[0].tolist()
    differs = (said_with_zero != said_with_one).any(axis=1)
    assert differs.sum() == 32, "each other fold was fitted with it"


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, CLASSES - 1), st.booleans(), st.booleans()), max_size=12))
def test_out_of_fold_answers_exist_on_the_smallest_splits(items: list[tuple[int, bool, bool]]) -> None:
    classes = np.array([item[0] for item in items], np.int64)
    random = np.random.default_rng(0)
    text, image = _branch(random, classes, 1.0, 1.0), _branch(random, classes, 1.0, 1.0)
    text[[not item[1] for item in items]] = np.nan
    image[[not item[2] for item in items]] = np.nan
    fused = out_of_fold(text, image, usual(len(text)), classes, seed=0)
    spoke = [item[1] or item[2] for item in items]
    assert (~np.isnan(fused).any(axis=1)).tolist() == spoke
    assert fused[spoke].sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_unfitted_fusion_leaves_branches_unchanged(
    items: tuple[Probabilities, Probabilities, npt.NDArray[np.int64]],
) -> None:
    text, image, _ = items
    as_it_is = unfitted(CLASSES)
    assert fuse(as_it_is, text, text, usual(len(text))).fused == pytest.approx(text, abs=1e-4)
    assert as_it_is.only_text(text) == pytest.approx(text, abs=1e-4)
    assert as_it_is.only_image(image) == pytest.approx(image, abs=1e-4)


def test_scores_count_answered_items_only() -> None:
    answers = np.array([[0.9, 0.1], [np.nan, np.nan], [0.2, 0.8]], np.float32)
    figures = score(answers, np.array([0, 0, 0]))
    assert figures["items"] == 2
    assert figures["accuracy"] == 0.5


def test_with_many_classes_the_fit_is_that_of_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(8)
    classes = random.integers(0, 300, 400)
    text, image = (softmax(random.normal(size=(400, 300)) + skill * np.eye(300)[classes]) for skill in (6, 4))
    fitted = fit_fusion(text, image, usual(len(text)), classes)
    monkeypatch.setattr("training.fit.fusion._CANDIDATES", 1000)
    exact = fit_fusion(text, image, usual(len(text)), classes)
    assert (fitted.text, fitted.image) == pytest.approx((exact.text, exact.image), abs=0.02)
    assert np.abs(np.array(fitted.bias) - exact.bias).max() < 0.05


def test_the_picture_counts_for_more_where_the_text_is_short() -> None:
    random = np.random.default_rng(5)
    classes, lengths = random.integers(0, CLASSES, 4000), 2 ** random.integers(0, 7, 4000)
    skill = np.log2(lengths)[:, None] / 2  # a text of one word says nothing
    text = softmax(random.normal(size=(4000, CLASSES)) + skill * np.eye(CLASSES)[classes])
    image = _branch(random, classes, 1.5, 1.0)
    known, new = slice(0, 2000), slice(2000, None)
    fusion = fit_fusion(text[known], image[known], lengths[known], classes[known])
    assert fusion.text_slope > 0 or fusion.image_slope < 0
    one, many = fusion.weights(np.array([1, 64]))
    assert one[1] / one.sum() > many[1] / many.sum()
    told = fuse(fusion, text[new], image[new], lengths[new]).fused
    same = fit_fusion(text[known], image[known], usual(2000), classes[known])
    blind = fuse(same, text[new], image[new], usual(2000)).fused
    likelihood, before = (np.log(p[np.arange(2000), classes[new]]).mean() for p in (told, blind))
    assert likelihood > before


def test_a_weight_is_never_negative_and_no_length_is_too_long() -> None:
    steep = Fusion(
        text=0.5, image=0.5, text_slope=1.0, image_slope=-1.0, text_alone=1, image_alone=1, bias=(0,) * CLASSES
    )
    weights = steep.weights(np.array([0, 1, 8, 64, 10**6]))
    assert weights.min() == 0
    assert weights[0].tolist() == weights[1].tolist()
    assert weights[3].tolist() == weights[4].tolist() == [3.5, 0.0]
    assert weights[2].tolist() == [0.5, 0.5]
