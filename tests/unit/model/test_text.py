from zlib import crc32

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.model.text import PADDING, TextEncoder, by_length, subwords
from shared.words import words


def test_words_have_no_markup_entities_accents_or_case() -> None:
    assert words("L'&eacute;t&eacute;", "<p>Bo&icirc;te&nbsp;à<br/>ŒUFS</p>") == ["l", "ete", "boite", "a", "oeufs"]


def test_doubly_escaped_entities_are_decoded() -> None:
    assert words("Caf&amp;eacute;") == ["cafe"]


def test_a_title_in_the_challenges_cleaned_form_has_the_same_words() -> None:
    assert words("Épée Médiévale 90cm") == words("epee medievale 90cm")


def test_other_scripts_are_kept() -> None:
    assert words("ポケモン карта") == ["ポケモン", "карта"]


def test_compatibility_forms_are_plain_letters() -> None:
    assert words("𝕬𝖓𝖓𝖊 ﬁlm №5 İstanbul") == ["anne", "film", "no", "5", "istanbul"]


def test_the_title_comes_before_the_description() -> None:
    assert words("deux", "trois") == ["deux", "trois"]


def encoder(*known: str, max_words: int = 3, max_subwords: int = 4) -> TextEncoder:
    return TextEncoder(np.array([crc32(subword.encode()) for subword in known], np.uint32), max_words, max_subwords)


def test_a_word_is_itself_and_its_n_grams() -> None:
    assert list(subwords("cle")) == ["<cle>", "<cl", "cle", "le>", "<cle", "cle>"]
    assert list(subwords("a")) == ["<a>"]


def test_numbers_stand_apart_from_their_units() -> None:
    assert words("12V 3,5m² 90cm PS4") == ["12", "v", "3", "5", "m", "2", "90", "cm", "ps", "4"]


def test_ids_are_padded_on_the_left_and_cut_on_the_right() -> None:
    encoded = encoder("<chat>", "<chien>", "hat").encode([["chien"], ["chat", "ours", "rat", "chat"], []])
    assert encoded.shape == (3, 8, 4)
    assert encoded[0, :-1].max() == PADDING
    assert encoded[0, -1].tolist() == [2, 0, 0, 0]
    assert encoded[1, -3:].tolist() == [[1, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert encoded[2].max() == PADDING


def test_an_unknown_word_is_known_by_its_n_grams() -> None:
    assert encoder("<cha", "hat").word("chaton").tolist() == [PADDING, 2, 1, PADDING]


def test_the_vocabulary_is_the_most_frequent_subwords_in_any_order_of_texts() -> None:
    texts = [["b", "a", "c"], ["a", "b"], ["d"]]
    shape = {"max_words": 9, "max_subwords": 2, "size": 2, "min_count": 1}
    fitted, again = TextEncoder.fit(texts, **shape), TextEncoder.fit(reversed(texts), **shape)
    assert set(fitted.vocabulary.tolist()) == {crc32(b"<a>"), crc32(b"<b>")}
    assert (fitted.vocabulary == again.vocabulary).all()
    assert len(TextEncoder.fit(texts, **{**shape, "min_count": 3}).vocabulary) == 0


@given(st.text(), st.text())
def test_any_text_gives_plain_words_and_is_stable(title: str, description: str) -> None:
    found = words(title, description)
    assert all(word and not word.isspace() for word in found)
    assert words(" ".join(found)) == found


@given(st.lists(st.lists(st.sampled_from(["a", "b", "chat", "zzz"]), max_size=20), max_size=5))
def test_encoding_has_the_promised_shape_and_range(texts: list[list[str]]) -> None:
    fitted = encoder("<a>", "<b>", "hat", max_words=12)
    encoded = fitted.encode(texts)
    longest = max((min(len(text), 12) for text in texts), default=0)
    assert encoded.shape == (len(texts), 8 if longest <= 8 else 16, 4)
    assert encoded.dtype == np.int32
    assert encoded.size == 0 or (encoded.min() >= 0 and encoded.max() < fitted.size)


def test_texts_of_one_length_are_computed_together() -> None:
    texts = [np.ones((length, 4), np.int32) for length in [3, 20] * 8]
    assert sorted(map(sorted, by_length(texts))) == [list(range(0, 16, 2)), list(range(1, 16, 2))]


def test_a_few_texts_join_the_next_longer_ones() -> None:
    texts = [np.ones((length, 4), np.int32) for length in (40, 3, 20, 3)]
    assert [sorted(group) for group in by_length(texts)] == [[0, 1, 2, 3]]


def test_no_texts_make_no_batch() -> None:
    assert by_length([]) == []
