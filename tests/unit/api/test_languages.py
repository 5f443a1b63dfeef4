"""The header Accept-Language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.languages import preferred


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", ()),
        ("fr", ("fr",)),
        ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", ("fr-ch", "fr", "en", "de")),
        ("en;q=0.2,fr ; q = 0.9,de;q=0", ("fr", "en")),
        ("en, en;q=0.1, fr;q=0.5", ("en", "fr")),
        ("*, ;q=1, 1234, fr;q=2, en;q=x, nl", ("nl",)),
        ("zh-Hant-TW", ("zh-hant-tw",)),
    ],
)
def test_the_most_wanted_language_comes_first(header: str, wanted: tuple[str, ...]) -> None:
    assert preferred(header) == wanted


@given(st.text() | st.from_regex(r"([a-z]{2}(;q=[01]\.?[0-9]*)?,? ?)*"))
def test_whatever_is_sent_gives_a_few_languages(header: str) -> None:
    assert len(preferred(header)) <= 10


def test_a_long_header_is_not_read_to_its_end() -> None:
    assert preferred("," * 100_000 + "fr") == ()
