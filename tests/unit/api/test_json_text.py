"""Parsing JSON that is in memory takes time in proportion to its length."""

import pytest

from api.http.json_text import load
from api.http.problems import Problem
from tests.cpu_time import cpu_seconds


def refused(text: str) -> None:
    with pytest.raises(Problem, match="not JSON"):
        load(bytearray(text.encode()), "the item")


@pytest.mark.parametrize("piece", ['\\"', '"', "\\", "[", "9", "]", '"a"'])
def test_the_time_grows_with_the_length_of_a_text_that_never_ends(piece: str) -> None:
    many_values = "[" + "[]," * 40 + '"'
    short, long = (many_values + (piece * length)[:length] + "x" for length in (20_000, 160_000))
    # About 8 times the time; 64 times, if it grew with the square. Below 10 ms no text is slow.
    assert cpu_seconds(refused, long) < max(24 * cpu_seconds(refused, short), 0.01)
