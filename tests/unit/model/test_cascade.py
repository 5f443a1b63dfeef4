"""The cascade: whose picture is not looked at, what the answer is then, and how the threshold is chosen."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.bundle import Bundle
from shared.model.cascade import Cascade, fuse_cascaded, not_looked_at
from shared.model.fusion import Fusion, Lengths, Probabilities, fuse, softmax
from shared.settings import ROOT
from training.fit.cascade import fit_cascade, skippings
from training.fit.fusion import fit_fusion, out_of_fold
from training.judge.scores import calibration_error

CLASSES = 6
FUSION = Fusion(text=1, image=0.5, text_slope=0.1, text_alone=1.1, image_alone=0.9, bias=(0.0,) * CLASSES)
CASCADE = Cascade(threshold=0.7, text=0.8, loss=0.0, skipped=0.5)

Split = tuple[Probabilities, Probabilities, npt.NDArray[np.int64]]


def _lengths(items: int) -> Lengths:
    return 1 + np.arange(items) % 20


def _split(items: int, seed: int = 3, picture: float = 1.0) -> Split:
    """Text and picture of items, a fifth without a text and a fifth without a picture; the text is too sure."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, CLASSES, items)
    text, image = (
        softmax(heat * (random.normal(size=(items, CLASSES)) + skill * np.eye(CLASSES)[classes]))
        for skill, heat in ((2.5, 2.0), (picture, 1.0))
    )
    lacks = random.random(items)
    text[lacks < 0.2], image[lacks > 0.8] = np.nan, np.nan
    return text, image, classes


@given(st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_only_an_item_with_a_sure_text_and_a_picture_is_answered_by_its_text_alone(items: int, seed: int) -> None:
    text, image, _ = _split(items, seed)
    lengths, has_picture = _lengths(items), ~np.isnan(image[:, 0])
    skipped = not_looked_at(CASCADE, text, has_picture)
    fused, usual = fuse_cascaded(FUSION, CASCADE, text, image, lengths, skipped), fuse(FUSION, text, image, lengths)
    for row in range(items):
        sure = bool(has_picture[row] and text[row].max() >= CASCADE.threshold)
        assert skipped[row] == sure
        expected = CASCADE.only_text(text[row : row + 1])[0] if sure else usual.fused[row]
        np.testing.assert_allclose(fused.fused[row], expected, rtol=1e-6)
    assert np.isnan(fused.image[skipped]).all()
    np.testing.assert_array_equal(fused.image[~skipped], image[~skipped])


def test_without_a_cascade_every_picture_is_looked_at() -> None:
    text, image, _ = _split(50)
    skipped = not_looked_at(None, text, ~np.isnan(image[:, 0]))
    assert not skipped.any()
    np.testing.assert_array_equal(
        fuse_cascaded(FUSION, None, text, image, _lengths(50), skipped).fused,
        fuse(FUSION, text, image, _lengths(50)).fused,
    )


def test_a_larger_loss_skips_more_pictures_and_none_skips_nothing() -> None:
    text, image, classes = _split(3000)
    fused = out_of_fold(text, image, _lengths(len(text)), classes, seed=1)
    found = [fit_cascade(text, image, fused, classes, loss) for loss in (0.0, 0.001, 0.01, 0.05)]
    assert found[0] is None
    chosen = [cascade for cascade in found if cascade is not None]
    assert len(chosen) == 3
    for loss, cascade in zip((0.001, 0.01, 0.05), chosen, strict=True):
        assert cascade.loss <= loss
        looked = [each for each in skippings(text, image, fused) if each.threshold < cascade.threshold]
        assert all(each.loss > loss for each in looked), "it is the lowest threshold that the loss allows"
    assert chosen[0].skipped < chosen[1].skipped < chosen[2].skipped


def test_the_loss_that_was_expected_is_the_one_that_comes() -> None:
    text, image, classes = _split(8000)
    known, new = slice(0, 4000), slice(4000, None)
    fused = out_of_fold(text[known], image[known], _lengths(4000), classes[known], seed=1)
    cascade = fit_cascade(text[known], image[known], fused, classes[known], loss=0.01)
    fusion = fit_fusion(text[known], image[known], _lengths(4000), classes[known])
    assert cascade is not None
    skipped = not_looked_at(cascade, text[new], ~np.isnan(image[new][:, 0]))
    cascaded = fuse_cascaded(fusion, cascade, text[new], image[new], _lengths(4000), skipped).fused
    usual = fuse(fusion, text[new], image[new], _lengths(4000)).fused
    right, right_before = (answers.argmax(axis=1) == classes[new] for answers in (cascaded, usual))
    assert right_before.mean() - right.mean() == pytest.approx(0.01, abs=0.01)
    assert calibration_error(cascaded[skipped], classes[new][skipped]) < 0.02, "the skipped have their own temperature"


@pytest.mark.parametrize("missing", ["text", "picture"])
def test_there_is_no_cascade_where_one_of_the_two_is_missing(missing: str) -> None:
    text, image, classes = _split(200)
    (text if missing == "text" else image)[:] = np.nan
    fused = out_of_fold(text, image, _lengths(len(text)), classes, seed=1)
    assert fit_cascade(text, image, fused, classes, loss=0.5) is None


def test_a_small_validation_split_is_not_trusted_with_all_pictures() -> None:
    text, image, classes = _split(60, picture=3.0)
    fused = out_of_fold(text, image, _lengths(len(text)), classes, seed=1)
    cascade = fit_cascade(text, image, fused, classes, loss=0.001)
    assert cascade is None or cascade.skipped < 0.9


def test_a_bundle_without_a_cascade_keeps_its_id() -> None:
    starter = Bundle.load(ROOT / "models/starter").manifest
    without = starter.model_copy(update={"cascade": None})
    assert "cascade" not in without.model_dump()
