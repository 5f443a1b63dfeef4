"""Cursors of results as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger import CursorError
from shared.ledger.cursor import Cursor

CHUNKS = 60
chunks = st.sets(st.integers(0, CHUNKS - 1))


@given(chunks, st.none() | st.tuples(st.integers(0, CHUNKS - 1), st.integers(1, 500)))
def test_cursor_comes_back_as_it_was(read: set[int], part: tuple[int, int] | None) -> None:
    cursor = Cursor(read, *(part or (None, 0)))
    assert Cursor.parse(str(cursor), [], CHUNKS) == cursor


def test_cursor_is_short() -> None:
    assert str(Cursor()) == "~"
    assert str(Cursor({*range(5000), 5002, 5003, 5007}, 5006, 12)) == "0-4999_5002-5003_5007~5006.12"


@given(st.permutations(range(CHUNKS)), chunks)
def test_cursor_leaves_out_what_was_read(order: list[int], read: set[int]) -> None:
    assert Cursor(read).rest(order) == [chunk for chunk in order if chunk not in read]


def test_chunk_that_is_read_in_part_comes_first_and_is_waited_for() -> None:
    cursor = Cursor({0}, 2, 7)
    assert cursor.rest([0, 3, 2, 1]) == [2, 3, 1]
    assert cursor.rest([0, 3, 1]) == []


def test_cursor_of_an_earlier_release_is_a_position() -> None:
    order = [4, 2, 0]
    assert Cursor.parse("0.0", order, CHUNKS) == Cursor()
    assert Cursor.parse("1.5", order, CHUNKS) == Cursor({4}, 2, 5)
    assert Cursor.parse("3.0", order, CHUNKS) == Cursor({0, 2, 4})


STRANGE = ["0", "-~", "1-0~", "3_2~", "2_2~", "0-3_3~", "60~", "0-999999999~", "~1", "~1.", "0~1.2.3", "²~"]


@pytest.mark.parametrize("text", [*STRANGE, "0_" * 9999 + "~"])
def test_strange_cursor_is_refused(text: str) -> None:
    with pytest.raises(CursorError):
        Cursor.parse(text, [], CHUNKS)
