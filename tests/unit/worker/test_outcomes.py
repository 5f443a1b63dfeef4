"""Outcomes from probabilities: their paths, what is sure of them, and what a taxonomy in force changes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger import Guess, Outcome, QueuedItem
from shared.model.bundle import Bundle, Manifest
from shared.model.fusion import Prediction, Probabilities
from shared.model.projection import Projection
from shared.settings import ROOT
from shared.taxonomy import RAKUTEN, Taxonomy
from worker.classify.outcomes import profile_of, to_outcomes

BUNDLE = Bundle.load(ROOT / "models/starter")
CODES = BUNDLE.codes


def manifest(threshold: float | None, *levels: float | None) -> Manifest:
    review = BUNDLE.manifest.review.model_copy(update={"threshold": threshold, "levels": levels})
    return BUNDLE.manifest.model_copy(update={"review": review})


def row(**shares: float) -> Probabilities:
    """One item's probabilities by code, as `c10=0.4`; the rest goes to all others alike."""
    given = {name.removeprefix("c"): share for name, share in shares.items()}
    rest = (1 - sum(given.values())) / (len(CODES) - len(given))
    return np.array([[given.get(code, rest) for code in CODES]], np.float32)


def outcome(
    fused: Probabilities, taxonomy: Taxonomy = RAKUTEN, about: Manifest | None = None, *, skipped: bool = False
) -> Outcome:
    prediction = Prediction(fused, fused, np.full_like(fused, np.nan))
    items = [QueuedItem(0, "item", title="x")]
    in_force, about = Projection(CODES, taxonomy), about or manifest(0.8, 0.9)
    (made,) = to_outcomes(items, [(1, 0.0)], prediction, np.array([skipped]), in_force, about)
    return made


def changed(**changes: dict[str, object]) -> Taxonomy:
    """Rakuten's taxonomy with other fields of some categories, as `c10={"retired": True}`."""
    return Taxonomy(
        tuple(replace(category, **changes.get(f"c{category.code}", {})) for category in RAKUTEN.categories)  # type: ignore[arg-type]
    )


def test_a_path_leads_to_the_answer_with_the_sums_of_its_categories() -> None:
    made = outcome(row(c10=0.5, c2705=0.4, c2583=0.05))
    assert made.guesses[:3] == (Guess("10", 0.5), Guess("2705", 0.4), Guess("2583", 0.05))
    assert made.path == (Guess("books", 0.9042),)
    assert (made.needs_review, made.sure) == (True, 1), "a book, but which?"
    assert made.text == made.guesses[0]
    assert made.image is None


@pytest.mark.parametrize(
    ("thresholds", "sure"),
    [((0.5, 0.95), 2), ((0.8, 0.9), 1), ((0.8, 0.95), 0), ((0.8,), 0), ((0.5,), 2), ((None, None), 0)],
)
def test_the_deepest_category_above_its_threshold_is_sure(thresholds: tuple[float | None, ...], sure: int) -> None:
    made = outcome(row(c10=0.5, c2705=0.4, c2583=0.05), about=manifest(*thresholds))
    assert made.sure == sure
    assert made.needs_review is (sure < 2)


def test_a_merge_adds_up_and_may_change_the_answer() -> None:
    fused = row(c10=0.3, c2705=0.25, c2583=0.4)
    assert outcome(fused).guesses[0] == Guess("2583", 0.4)
    made = outcome(fused, changed(c10={"moved_to": "2705"}))
    assert made.guesses[:2] == (Guess("2705", 0.55), Guess("2583", 0.4))
    assert made.text == Guess("2705", 0.55)
    assert "10" not in {guess.code for guess in made.guesses}


def test_a_retired_category_is_answered_no_more() -> None:
    made = outcome(row(c10=0.4, c2705=0.55), changed(c10={"retired": True}))
    assert made.guesses[0] == Guess("2705", 0.9167)
    assert (made.needs_review, made.sure) == (False, 2)


def test_an_item_of_a_retired_category_needs_a_review_whatever_is_left() -> None:
    made = outcome(row(c10=0.99, c2705=0.0095), changed(c10={"retired": True}))
    assert made.guesses[0] == Guess("2705", 0.95)
    assert (made.needs_review, made.sure) == (True, 0)


def test_a_category_that_was_moved_has_its_new_path() -> None:
    made = outcome(row(c10=0.5, c40=0.3), changed(c10={"parent": "video-games"}))
    assert made.path == (Guess("video-games", 0.832),)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.1, 1]))
def test_the_guesses_are_the_most_probable_categories(seed: int, spread: float) -> None:
    fused = np.random.default_rng(seed).dirichlet(np.full(len(CODES), spread), 1).astype(np.float32)
    found = [guess.confidence for guess in outcome(fused).guesses]
    assert found == np.sort(fused[0].astype(np.float64).round(4))[::-1][:4].tolist()


def test_no_items_have_no_outcomes() -> None:
    nothing = np.empty((0, len(CODES)), np.float32)
    prediction = Prediction(nothing, nothing, nothing)
    none = np.empty(0, bool)
    assert to_outcomes([], [], prediction, none, Projection(CODES, RAKUTEN), BUNDLE.manifest) == []


def test_a_picture_that_was_not_looked_at_is_not_a_missing_one() -> None:
    text_alone, skipped = outcome(row(c10=0.9)), outcome(row(c10=0.9), skipped=True)
    assert (skipped.image, skipped.weights, skipped.not_looked_at) == (None, (1.0, 0.0), True)
    assert replace(skipped, not_looked_at=False) == text_alone
    missing, there, told = (profile_of([made], decided=True) for made in (text_alone, skipped, with_picture()))
    assert missing.counts["picture:0"] == there.counts["picture:1"] == told.counts["picture:1"] == 1
    assert there.counts["picture_looked_at:0"] == told.counts["picture_looked_at:1"] == 1
    assert not [name for name in missing.counts if name.startswith("picture_looked_at")]
    always = profile_of([with_picture()], decided=False)
    assert not [name for name in always.counts if name.startswith("picture_looked_at")]


def with_picture() -> Outcome:
    return replace(outcome(row(c10=0.9)), image=Guess("10", 0.5))
