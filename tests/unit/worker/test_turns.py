"""Steps that a pool calls, and calls again later."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.classify.turns import in_turns


def _nothing() -> None:
    pass


def _step(pauses: list[float], result: str, called: Callable[[], object] = _nothing) -> Callable[[], str | float]:
    """A step that asks for each pause in turn before it has its result."""
    left = iter(pauses)

    def step() -> str | float:
        called()
        return next(left, result)

    return step


@given(st.dictionaries(st.integers(), st.lists(st.sampled_from([0.0, 0.001, 0.002]), max_size=3), max_size=6))
def test_each_step_is_called_until_it_has_its_result(pauses: dict[int, list[float]]) -> None:
    calls: list[int] = []
    progress: list[None] = []
    with ThreadPoolExecutor(2) as pool:
        steps = {key: _step(some, f"of {key}", partial(calls.append, key)) for key, some in pauses.items()}
        results = in_turns(steps, pool, lambda: progress.append(None))
    assert results == {key: f"of {key}" for key in pauses}
    assert sorted(calls) == sorted(key for key, some in pauses.items() for _ in [*some, None])
    assert len(progress) == len(calls)


def test_a_step_that_waits_holds_no_thread_and_is_not_called_early() -> None:
    calls: list[tuple[str, float]] = []

    def note(name: str) -> Callable[[], None]:
        return lambda: calls.append((name, time.monotonic()))

    steps = {0: _step([0.2], "late", note("late")), 1: _step([], "soon", note("soon"))}
    with ThreadPoolExecutor(1) as pool:
        assert in_turns(steps, pool, _nothing) == {0: "late", 1: "soon"}
    assert [name for name, _ in calls] == ["late", "soon", "late"]
    assert calls[2][1] - calls[0][1] >= 0.2


def test_an_error_ends_the_steps_that_have_not_begun() -> None:
    seen = threading.Event()
    begun: list[int] = []

    def fail() -> str:
        raise OSError("this machine has no descriptors")

    def hold() -> str:
        seen.wait(60)
        return "held"

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(OSError, match="no descriptors"):
            in_turns({0: fail, 1: hold, 2: _step([], "never", lambda: begun.append(2))}, pool, _nothing)
        seen.set()
    assert begun == []
