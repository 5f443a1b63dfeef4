"""The nearest texts by their words, against a comparison with each text."""

from math import log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.jobs.word_index import WordIndex

_TEXTS = st.frozensets(st.sampled_from("abcdefgh"), max_size=5)


def cosine(one: frozenset[str], other: frozenset[str], texts: list[frozenset[str]]) -> float:
    weights = {word: log(1 + (len(texts) + 1) / (sum(word in text for text in texts) + 1)) for word in one | other}
    product = sum(weights[word] ** 2 for word in one & other)
    return product / sqrt(sum(weights[word] ** 2 for word in one) * sum(weights[word] ** 2 for word in other) or 1)


@given(st.lists(_TEXTS, max_size=12), _TEXTS, st.floats(0.01, 1))
def test_the_nearest_are_those_of_a_comparison_with_each(
    texts: list[frozenset[str]], asked: frozenset[str], least: float
) -> None:
    found = dict(WordIndex(texts).nearest(asked, least))
    every = {position: cosine(asked, text, texts) for position, text in enumerate(texts)}
    for position, similarity in every.items():
        if abs(similarity - least) > 1e-9:
            assert (position in found) == (similarity > least)
    assert found == pytest.approx({position: every[position] for position in found})
    assert [*found] == sorted(found, key=lambda position: (-found[position], position))


@given(_TEXTS.filter(bool), st.lists(_TEXTS, max_size=12))
def test_the_same_words_are_nearest(text: frozenset[str], others: list[frozenset[str]]) -> None:
    nearest = WordIndex([*others, text]).nearest(text, 0.5)
    assert nearest[0][1] == pytest.approx(1)
    assert len(others) in [position for position, _ in nearest]


def test_a_rare_word_weighs_more_than_a_usual_one() -> None:
    index = WordIndex([{"piscine", "bleue"}, {"livre", "bleue"}, {"lampe", "bleue"}])
    assert [position for position, _ in index.nearest({"piscine", "verte"}, 0.1)] == [0]
    (first, same), *rest = index.nearest({"livre", "bleue"}, 0.01)
    assert first == 1
    assert same == pytest.approx(1)
    assert [position for position, similarity in rest if similarity < 0.5] == [0, 2]
