import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pipeline.params import PreprocessParams, load_params
from training.pipeline.splits import TEST, TRAIN, VALIDATION, identify, split

PARAMS: PreprocessParams = load_params().preprocess.model_copy(update={"seed": 1, "validation": 0.1, "test": 0.2})
WORDS = st.lists(st.sampled_from(["lot", "de", "livres", "anciens", "jeu"]), max_size=4).map(" ".join)
ITEMS = st.lists(st.tuples(WORDS, st.sampled_from(["a" * 64, "b" * 64, None]), st.sampled_from([10, 40, 50])))


def _splits(items: list[tuple[str, str | None, int]], params: PreprocessParams = PARAMS) -> dict[int, str]:
    """By identity."""
    texts, pictures, labels = zip(*items, strict=True) if items else ((), (), ())
    identities = identify(texts, pictures)
    found = split(identities, np.array(labels, np.int64), params)
    return dict(zip(identities.tolist(), found.tolist(), strict=True))


def _catalogue(count: int) -> list[tuple[str, str | None, int]]:
    return [(f"produit {number}", None, (10, 40, 50)[number % 3]) for number in range(count)]


def test_each_class_is_split_in_about_the_same_shares() -> None:
    items = _catalogue(9000)
    splits = _splits(items)
    for code in (10, 40, 50):
        rows = [item for item in items if item[2] == code]
        found = [splits[int(identity)] for identity in identify(*zip(*[row[:2] for row in rows], strict=True))]
        for name, share in ((TRAIN, 0.7), (VALIDATION, 0.1), (TEST, 0.2)):
            assert found.count(name) / len(found) == pytest.approx(share, abs=0.03)  # four standard deviations


@given(ITEMS, st.randoms())
def test_splits_do_not_depend_on_the_catalogues_order(items: list[tuple[str, str | None, int]], random: object) -> None:
    shuffled = list(items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _splits(shuffled) == _splits(items)


def test_an_item_stays_where_it_is_when_the_catalogue_grows() -> None:
    before, after = _splits(_catalogue(300)), _splits(_catalogue(900))
    assert before.items() <= after.items()


def test_a_larger_validation_split_leaves_the_test_split_alone() -> None:
    wider = PARAMS.model_copy(update={"validation": 0.3})
    tests = [{key for key, name in _splits(_catalogue(300), p).items() if name == TEST} for p in (PARAMS, wider)]
    assert tests[0] == tests[1] != set()


def test_copies_have_one_identity_for_any_order_of_words_and_picture() -> None:
    one, other, third = identify(["jeu de cartes", "cartes de jeu jeu", "jeu de dames"], ["a" * 64, "b" * 64, "a" * 64])
    assert one == other != third


def test_an_item_without_words_is_identified_by_its_picture() -> None:
    one, other, again = identify(["", "", ""], ["a" * 64, "b" * 64, "a" * 64])
    assert one == again != other


@given(ITEMS)
def test_every_class_has_something_to_learn_from(items: list[tuple[str, str | None, int]]) -> None:
    splits = _splits(items)
    for code in {item[2] for item in items}:
        own = identify(*zip(*[item[:2] for item in items if item[2] == code], strict=True))
        assert TRAIN in {splits[int(identity)] for identity in own}


def test_the_seed_decides_the_splits() -> None:
    items = _catalogue(100)
    assert _splits(items) == _splits(items)
    assert _splits(items) != _splits(items, PARAMS.model_copy(update={"seed": 2}))


@given(st.lists(st.integers(0, 12), max_size=80))
def test_each_class_with_five_items_has_one_held_out_and_some_to_learn_from(labels: list[int]) -> None:
    """Four fifths of the seeds would leave a class of five without an item in the test split."""
    splits = _splits([(f"produit {number}", None, label) for number, label in enumerate(labels)])
    of_label: dict[int, list[str]] = {}
    for (_, name), label in zip(splits.items(), labels, strict=True):
        of_label.setdefault(label, []).append(name)
    for found in of_label.values():
        assert TRAIN in found
        assert TEST in found or len(found) < 5 or set(found) == {TRAIN}
