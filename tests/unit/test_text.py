import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.model.text import PADDING, UNKNOWN, TextEncoder, words


def test_markup_entities_accents_and_case_are_gone() -> None:
    assert words("L'&eacute;t&eacute;", "<p>Bo&icirc;te&nbsp;à<br/>ŒUFS</p>") == ["l", "ete", "boite", "a", "oeufs"]


def test_doubly_escaped_entities_are_decoded() -> None:
    assert words("Caf&amp;eacute;") == ["cafe"]


def test_a_title_in_the_challenges_cleaned_form_means_the_same() -> None:
    assert words("Épée Médiévale 90cm") == words("epee medievale 90cm")


def test_other_scripts_are_kept() -> None:
    assert words("ポケモン карта") == ["ポケモン", "карта"]


def test_compatibility_forms_are_plain_letters() -> None:
    assert words("𝕬𝖓𝖓𝖊 ﬁlm №5 İstanbul") == ["anne", "film", "no5", "istanbul"]


def test_the_title_comes_before_the_description() -> None:
    assert words("deux", "trois") == ["deux", "trois"]


def test_ids_are_padded_on_the_left_and_cut_on_the_right() -> None:
    encoder = TextEncoder(("chat", "chien"), max_words=3)
    encoded = encoder.encode([["chien"], ["chat", "ours", "chien", "chat"], []])
    assert encoded.tolist() == [[PADDING, PADDING, 3], [2, UNKNOWN, 3], [PADDING] * 3]


def test_the_vocabulary_is_the_most_frequent_words_whatever_their_order() -> None:
    texts = [["b", "a", "c"], ["a", "b"], ["d"]]
    encoder = TextEncoder.fit(texts, max_words=9, size=3, min_count=1)
    assert encoder.vocabulary == ("a", "b", "c")
    assert encoder == TextEncoder.fit(reversed(texts), max_words=9, size=3, min_count=1)


@given(st.text(), st.text())
def test_any_text_gives_plain_words_and_is_stable(title: str, description: str) -> None:
    found = words(title, description)
    assert all(word and not word.isspace() for word in found)
    assert words(" ".join(found)) == found


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "zzz"]), max_size=9), max_size=5))
def test_encoding_has_the_promised_shape_and_range(texts: list[list[str]]) -> None:
    encoder = TextEncoder(("a", "b", "c"), max_words=4)
    encoded = encoder.encode(texts)
    assert encoded.shape == (len(texts), 4)
    assert encoded.dtype == np.int32
    assert encoded.size == 0 or (encoded.min() >= 0 and encoded.max() < encoder.size)
