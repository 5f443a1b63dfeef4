"""Columns for categories that a model was not trained for."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger import ProvisionalColumns
from shared.model.column import AnsweredText, CategoryColumn, pack, text_features, unpack
from shared.model.column_fit import LEAST_EXAMPLES, fit

SCOPES = [
    f"télescope {kind} {brand} {number} mm trépied"
    for kind, brand, number in [
        ("astronomique", "celestron", 70),
        ("enfant", "bresser", 60),
        ("newton", "celestron", 130),
        ("astronomique", "orion", 90),
        ("lunette", "bresser", 80),
        ("newton", "orion", 114),
    ]
]


def others(count: int = 200, seed: int = 1) -> list[AnsweredText]:
    words = [f"mot{number}" for number in range(60)] + ["mm", "enfant", "trépied"]
    random = Random(seed)
    return [AnsweredText(text_features(random.sample(words, 8)), random.random()) for _ in range(count)]


def answered(*texts: str, confidence: float = 0.5) -> list[AnsweredText]:
    return [AnsweredText(text_features(text.split()), confidence) for text in texts]


TEXTS = st.lists(
    st.builds(AnsweredText, st.lists(st.sampled_from("abcdefghij"), max_size=12).map(text_features), st.floats(0, 1)),
    max_size=80,
)


def test_a_text_like_the_examples_is_of_the_category_and_another_one_is_not() -> None:
    column = fit("SCOPE", answered(*SCOPES), others())
    assert column is not None
    like, unlike, nothing = answered("télescope celestron 90 mm", "mot1 trépied 90 mm enfant mot7", "")
    assert column.score(like) >= column.threshold > max(column.score(unlike), column.score(nothing))
    assert column.score(like._replace(confidence=0.999)) < column.score(like), "the model knows what it is"
    assert 0.5 <= column.confidence <= 1


@given(TEXTS, TEXTS)
def test_a_few_examples_are_never_enough_and_the_same_texts_give_the_same_column(
    examples: list[AnsweredText], rest: list[AnsweredText]
) -> None:
    column = fit("X", examples, rest)
    assert column == fit("X", examples, rest)
    assert column is None or len(examples) >= LEAST_EXAMPLES
    assert column is None or (
        0.5 <= column.confidence <= 1
        and set(column.weights) <= frozenset().union(*(text.features for text in examples))
    )


def test_examples_that_are_like_all_other_texts_give_no_column() -> None:
    texts = others(220)
    assert fit("X", texts[:20], texts[20:]) is None


def test_the_columns_of_a_tenant_have_room() -> None:
    random = Random(2)

    def texts(count: int, *features: int) -> list[AnsweredText]:
        rest = ((random.getrandbits(32) for _ in range(100)) for _ in range(count))
        return [AnsweredText(frozenset([*features, *each]), 0.5) for each in rest]

    column = fit("a code of its own", texts(200, 7), texts(300))
    assert column is not None
    assert 50 * len(pack([column])) <= ProvisionalColumns.LARGEST


def test_columns_are_read_as_they_were_written() -> None:
    column = CategoryColumn("X", {1: 0.5, 2**32 - 1: -0.25}, -1.0, 0.125, 0.75)
    assert unpack(pack([column, column])) == [column, column]
    for damaged in (b"", b"x", pack([column])[:-1]):
        with pytest.raises(ValueError, match="no columns"):
            unpack(damaged)
