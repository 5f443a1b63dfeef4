from hypothesis import given
from hypothesis import strategies as st

from shared.ledger import TERMINAL, TRANSITIONS, Guess, ItemStatus, JobState, Outcome, QueuedItem
from shared.ledger.records import pack_items, pack_outcomes, unpack_items, unpack_outcomes

_TEXT = st.text(max_size=30)
_GUESS = st.builds(Guess, st.integers(0, 3000), st.floats(0, 1))
_ITEM = st.builds(QueuedItem, st.integers(0), _TEXT, *[st.none() | _TEXT] * 4)
_SUCCEEDED = st.builds(
    Outcome,
    index=st.integers(0),
    id=_TEXT,
    guesses=st.lists(_GUESS, max_size=4).map(tuple),
    needs_review=st.booleans(),
    text=st.none() | _GUESS,
    image=st.none() | _GUESS,
    weights=st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1)),
    cached=st.booleans(),
)
_OTHER = st.builds(
    Outcome,
    index=st.integers(0),
    id=_TEXT,
    status=st.sampled_from(sorted(set(ItemStatus) - {ItemStatus.SUCCEEDED})),
    error=st.none() | _TEXT,
    message=st.none() | _TEXT,
    pointer=st.none() | _TEXT,
    line=st.none() | st.integers(1),
)


@given(st.lists(_ITEM, max_size=5))
def test_items_are_unpacked_as_they_were_packed(items: list[QueuedItem]) -> None:
    assert unpack_items(pack_items(items)) == items


@given(st.lists(_SUCCEEDED | _OTHER, max_size=5))
def test_outcomes_are_unpacked_as_they_were_packed(outcomes: list[Outcome]) -> None:
    assert unpack_outcomes(pack_outcomes("v1", outcomes)) == ("v1", outcomes)


def test_the_table_of_transitions_has_every_state() -> None:
    assert set(TRANSITIONS) == set(JobState)
    assert set(JobState) - {JobState.QUEUED, JobState.RUNNING} == TERMINAL
