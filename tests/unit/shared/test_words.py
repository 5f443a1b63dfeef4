"""What of a text are words, and that finding them takes time in proportion to the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.text import subwords
from shared.words import DESCRIPTION_LIMIT, words
from tests.cpu_time import cpu_seconds

CLEAN = ["piscine", "gonflable", "ronde"]


@pytest.mark.parametrize(
    "text",
    [
        "<< Piscine gonflable ronde >>",
        "<<Piscine gonflable ronde>>",
        "<Piscine gonflable ronde>",
        "«Piscine gonflable» ronde",
        "‹Piscine› gonflable <❤ ronde <❤",
        "Piscine < gonflable > ronde",
        "Piscine <gonflable ronde",
        "Piscine> gonflable<ronde",
        "Piscine &lt; gonflable &gt; ronde",
        "<p>Piscine <b>gonflable</b> <br/>ronde</P >",
        '<p class=\'x\' title="a > b">Piscine <td nowrap align=right>gonflable <img src=a.jpg alt=5">ronde',
        "&lt;p style=&quot;color:red&quot;&gt;Piscine&amp;nbsp;gonflable ronde&lt;/p&gt;",
        "<!DOCTYPE html><?xml version='1.0'?><o:p>Piscine</o:p> gonflable <![if !vml]>ronde<![endif]>",
        "<style>.livre{color:red} p > a{}</style>Piscine gonflable ronde",
        "Piscine <SCRIPT type='text/javascript'>if (a < b) console = '</p>';</Script >gonflable ronde",
        "<!-- livre > roman --><!--> -->Piscine<!----> gonflable<!--[if mso]><b>jeu</b><![endif]--> ronde",
    ],
)
def test_only_what_html_reads_as_markup_is_no_word(text: str) -> None:
    assert words(text) == CLEAN
    assert words(None, text) == CLEAN


def test_comparison_signs_and_prices_are_no_tags() -> None:
    found = " ".join(words("5 < 10 > 3, <3, prix <100€, a<b et c>d"))
    assert found == "5 10 3 3 prix 100 a b et c d"


@pytest.mark.parametrize("text", ["<!-- {}", "<style> {}", "<script>{}", "<p {}", "{} <p class='", "{} <!-- <style>"])
def test_what_is_not_closed_does_not_swallow_the_rest(text: str) -> None:
    found = words(text.format("piscine gonflable ronde"))
    assert [word for word in found if word in CLEAN] == CLEAN


@pytest.mark.parametrize(
    "sign", "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u202a\u2060\u2066\ufe0f\ufeff\U000e0100"
)
def test_an_invisible_character_is_no_part_of_a_word_and_cuts_none(sign: str) -> None:
    assert words(f"{sign}Pis{sign}cine gon{sign}{sign}flable{sign} ron&#{ord(sign)};de") == CLEAN


def test_entities_of_thousands_of_digits_are_no_words_and_no_error() -> None:
    assert words(f"piscine &#{'9' * 5000}; gonflable &#99999999;ronde") == CLEAN
    assert words("&#0000112;iscine") == ["piscine"]


@given(st.text(st.sampled_from("<>!-/&;#= '\"\tpbstyle5é\u00ad\u0301"), max_size=60))
def test_any_signs_give_words_that_stay_the_same(text: str) -> None:
    found = words(text)
    assert words(" ".join(found)) == found


_MARKUP = (
    "< <a </ <! <!-- <!--> <style> <style></style <script><style><!-- </script <b = =' <a=' & &# &#x &#9 &#9; &lt;"
)
_LETTERS = (
    "&amp; <&lt; &notit a 9 a9 é \u0300\u0316 a\u0300\u0316 \u0eb8\u0300\u0591 \u00ad \u200b Σ Σ. ﷺ 가 ᄀ \U0001d400 İ"
)
PIECES = [*_MARKUP.split(), *_LETTERS.split(), "a ", "<a ", "<a =", '<a "', "<!-- --"]


@pytest.mark.parametrize("piece", PIECES)
def test_the_time_grows_with_the_length_of_the_text(piece: str) -> None:
    long = f"<p>{piece * DESCRIPTION_LIMIT}"[:DESCRIPTION_LIMIT]
    short = long[: DESCRIPTION_LIMIT // 8]
    # About 8 times the time; 64 times, if it grew with the square. Below 10 ms no text is slow.
    assert cpu_seconds(words, long) < max(24 * cpu_seconds(words, short), 0.01)


def test_so_does_the_time_for_the_parts_of_a_word() -> None:
    short, long = ("a" * length for length in (DESCRIPTION_LIMIT // 8, DESCRIPTION_LIMIT))

    def parts(word: str) -> list[str]:
        return list(subwords(word))

    assert cpu_seconds(parts, long) < 24 * cpu_seconds(parts, short)
