import math
from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.drift.profile import OTHER_CATEGORIES, DriftFeature, Profile, Reference, Seen
from shared.model.bundle import REFERENCE, Bundle
from shared.model.text import TextEncoder, unknown_share
from tests.conftest import Trained
from tests.rakuten import CODES
from training.pipeline.splits import VALIDATION

SEEN = st.lists(
    st.builds(
        Seen,
        code=st.sampled_from(CODES),
        confidence=st.integers(0, 10_000).map(lambda units: units / 10_000),
        words=st.integers(0, 2000),
        unknown=st.floats(0, 1),
        picture=st.booleans(),
        looked_at=st.none() | st.booleans(),
    ),
    max_size=30,
)


@given(SEEN, SEEN, SEEN)
def test_the_sum_of_profiles_is_the_profile_of_all_items(a: list[Seen], b: list[Seen], c: list[Seen]) -> None:
    one, two, three = Profile.of(a), Profile.of(b), Profile.of(c)
    assert one + two == two + one
    assert (one + two) + three == one + (two + three) == Profile.of([*c, *a, *b])
    assert one + Profile() == one


def bins(profile: Profile, feature: DriftFeature, reference: Profile | None = None) -> dict[str, int]:
    return {name: count for name, count, _ in profile.histograms(feature, profile if reference is None else reference)}


def test_an_answer_outside_the_references_categories_counts_with_all_others() -> None:
    here, there = Profile.of([Seen("new", 0.5, 8, 0.1, True)]), Profile.of([Seen("old", 0.5, 8, 0.1, True)])
    assert here.histograms(DriftFeature.TYPE, there) == [("old", 0, 1), (OTHER_CATEGORIES, 1, 0)]


def test_of_many_categories_the_most_frequent_are_compared_one_by_one() -> None:
    items = [Seen(f"c{number}", 0.5, 8, 0.1, True) for number in range(5000) for _ in range(1 + (number < 50))]
    found = bins(Profile.of(items), DriftFeature.TYPE)
    assert len(found) == 51
    assert found.pop(OTHER_CATEGORIES) == 4950
    assert found == {f"c{number}": 2 for number in range(50)}


def test_counts_of_an_earlier_release_are_read_under_todays_names() -> None:
    reference = Reference(accuracy=0.8, counts={"items": 3, "type:0": 1, "type:26": 1, "category:2905": 1})
    assert reference.profile.categories == {"10": 1, "2905": 2}


@given(SEEN)
def test_every_item_is_in_one_bin_of_each_feature_that_it_has(items: list[Seen]) -> None:
    profile = Profile.of(items)
    some = {
        DriftFeature.UNKNOWN: sum(item.words > 0 for item in items),
        DriftFeature.LOOKED_AT: sum(item.looked_at is not None for item in items),
    }
    assert {feature: sum(bins(profile, feature).values()) for feature in DriftFeature} == {
        feature: some.get(feature, len(items)) for feature in DriftFeature
    }


@given(SEEN.filter(bool))
def test_the_mean_confidence_and_its_error_are_those_of_the_items(items: list[Seen]) -> None:
    profile, confidences = Profile.of(items), np.array([item.confidence for item in items])
    assert profile.confidence == pytest.approx(confidences.mean())
    error = math.sqrt((confidences * (1 - confidences)).sum()) / len(items)
    assert profile.confidence_error == pytest.approx(error, abs=1e-9)


def test_a_profile_of_no_items_has_no_confidence() -> None:
    assert Profile.of([]).items == 0
    assert Profile.of([]).confidence is None


@pytest.mark.parametrize(
    ("feature", "seen", "name"),
    [
        (DriftFeature.TYPE, Seen("2583", 0.5, 3, 0.0, True), "2583"),
        (DriftFeature.CONFIDENCE, Seen("10", 0.0999, 3, 0.0, True), "below 0.1"),
        (DriftFeature.CONFIDENCE, Seen("10", 0.1, 3, 0.0, True), "0.1 to 0.2"),
        (DriftFeature.CONFIDENCE, Seen("10", 1.0, 3, 0.0, True), "0.99 and more"),
        (DriftFeature.WORDS, Seen("10", 0.5, 0, 0.0, True), "none"),
        (DriftFeature.WORDS, Seen("10", 0.5, 7, 0.0, True), "4 to 8"),
        (DriftFeature.WORDS, Seen("10", 0.5, 9999, 0.0, True), "256 and more"),
        (DriftFeature.UNKNOWN, Seen("10", 0.5, 3, 0.0, True), "none"),
        (DriftFeature.UNKNOWN, Seen("10", 0.5, 512, 1 / 512, True), "below 0.05"),
        (DriftFeature.UNKNOWN, Seen("10", 0.5, 3, 0.05, True), "0.05 to 0.1"),
        (DriftFeature.UNKNOWN, Seen("10", 0.5, 3, 2 / 3, True), "0.5 to 0.75"),
        (DriftFeature.UNKNOWN, Seen("10", 0.5, 3, 1.0, True), "all"),
        (DriftFeature.PICTURE, Seen("10", 0.5, 3, 0.0, False), "without"),
        (DriftFeature.PICTURE, Seen("10", 0.5, 3, 0.0, True), "with"),
    ],
)
def test_the_names_of_bins(feature: DriftFeature, seen: Seen, name: str) -> None:
    assert bins(Profile.of([seen]), feature)[name] == 1


def test_a_word_is_unknown_when_only_its_parts_are_known() -> None:
    encoder = TextEncoder.fit(
        [["piscine", "ronde"], ["piscine", "ronde"]], max_words=4, max_subwords=8, size=1000, min_count=1
    )
    assert unknown_share(encoder.ids(["piscine", "ronde"])) == 0
    assert unknown_share(encoder.ids(["piscine", "piscines"])) == 0.5
    assert unknown_share(encoder.ids(["piscine", "piscine", "piscine", "piscine", "xyz"])) == 0  # past what is read
    assert unknown_share(encoder.ids([])) == 0


def test_a_trained_bundle_carries_the_profile_of_its_validation_split(trained: Trained) -> None:
    reference, items = trained.bundle.reference, trained.prepared.split(VALIDATION)
    assert reference is not None
    assert REFERENCE in trained.bundle.manifest.files
    assert reference.profile.items == len(items.words)
    assert reference.accuracy == pytest.approx(trained.bundle.manifest.metrics["fusion"]["accuracy"])
    right, answers = reference.right or {}, reference.profile.categories
    assert sum(right.values()) == round(reference.accuracy * reference.profile.items)
    assert all(0 < count <= answers[code] for code, count in right.items())
    assert bins(reference.profile, DriftFeature.PICTURE) == {
        "with": items.has_image.sum(),
        "without": (~items.has_image).sum(),
    }
    lengths = [bisect_right((1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256), len(text)) for text in items.words]
    assert list(bins(reference.profile, DriftFeature.WORDS).values()) == np.bincount(lengths, minlength=14).tolist()


def test_an_older_bundle_has_no_reference(trained: Trained) -> None:
    files = {name: digest for name, digest in trained.bundle.manifest.files.items() if name != REFERENCE}
    older = trained.bundle.manifest.model_copy(update={"files": files})
    assert Bundle(trained.bundle.folder, older).reference is None


def test_a_reference_is_read_as_it_was_written() -> None:
    counts = dict(Profile.of([Seen("10", 0.75, 3, 0.5, True)]).counts)
    for right in (None, {"10": 1}):
        reference = Reference(accuracy=0.8, counts=counts, right=right)
        assert Reference.model_validate_json(reference.model_dump_json()) == reference
