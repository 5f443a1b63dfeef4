import json
import zlib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shared.ledger import (
    TERMINAL,
    TRANSITIONS,
    AuditKind,
    Decided,
    Explanation,
    Guess,
    ItemStatus,
    JobState,
    Outcome,
    QueuedItem,
)
from shared.ledger.packing import pack_items, pack_outcomes, unpack_items, unpack_outcomes

_TEXT = st.text(max_size=30)
_GUESS = st.builds(Guess, st.text(min_size=1, max_size=128), st.floats(0, 1))
_ITEM = st.builds(QueuedItem, st.integers(0), _TEXT, *[st.none() | _TEXT] * 4)
_EXPLANATION = st.builds(
    Explanation,
    words=st.lists(_TEXT, max_size=3).map(tuple),
    effects=st.lists(st.floats(-9, 9), max_size=3).map(tuple),
    phrases=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=3).map(tuple),
    review_threshold=st.none() | st.floats(0, 1),
    cascade_threshold=st.none() | st.floats(0, 1),
)
_SUCCEEDED = st.builds(
    Outcome,
    index=st.integers(0),
    id=_TEXT,
    guesses=st.lists(_GUESS, max_size=4).map(tuple),
    needs_review=st.booleans(),
    path=st.lists(_GUESS, max_size=3).map(tuple),
    sure=st.integers(0, 4),
    text=st.none() | _GUESS,
    image=st.none() | _GUESS,
    weights=st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1)),
    cached=st.booleans(),
    explanation=st.none() | _EXPLANATION,
    remembered=st.none() | st.builds(Decided, place=_TEXT, code=st.none() | _TEXT, by=_TEXT, note=st.none() | _TEXT),
    near_copy=st.booleans(),
    audited=st.none() | st.sampled_from(AuditKind),
    provisional=st.booleans(),
).map(lambda outcome: outcome if outcome.remembered else replace(outcome, near_copy=False))
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


def test_readers_of_before_find_outcomes_without_their_paths() -> None:
    """They decompress one stream, and take rows of eight cells; what they pack has no paths."""
    guesses = (Guess("boots", 0.4), Guess("2583", 0.3), Guess("007", 0.2))
    outcome = Outcome(0, "a", guesses=guesses, needs_review=True, path=(Guess("shoes", 0.9),), sure=1)
    packed = pack_outcomes("v1", [outcome])
    bundle, (row,) = json.loads(zlib.decompress(packed))
    assert (bundle, row) == ("v1", [0, "a", True, False, None, [["boots", 0.4], [2583, 0.3], ["007", 0.2]], None, None])
    explained = replace(outcome, explanation=Explanation(("boots",), (0.5,), ((0, 1),), 0.9, None))
    assert pack_outcomes("v1", [explained]).startswith(packed)  # both streams that the release before reads
    audited = pack_outcomes("v1", [replace(explained, audited=AuditKind.DRAWN)])
    assert audited.startswith(pack_outcomes("v1", [explained]))
    behind = audited.removeprefix(packed)  # which the release before decompresses as one stream
    assert json.loads(zlib.decompress(behind)) == [[["boots"], [0.5], [[0, 1]], 0.9, None]]
    of_before = zlib.compress(json.dumps([bundle, [row, [1, "b", False, *row[3:]]]]).encode())
    assert unpack_outcomes(of_before) == (
        "v1",
        [Outcome(0, "a", guesses=guesses, needs_review=True), Outcome(1, "b", guesses=guesses, sure=1)],
    )


def test_the_table_of_transitions_has_every_state() -> None:
    assert set(TRANSITIONS) == set(JobState)
    assert set(JobState) - {JobState.QUEUED, JobState.RUNNING} == TERMINAL
