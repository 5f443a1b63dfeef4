"""A loop goes on after any error, and tells it once for as long as it is the same."""

import logging

import pytest
from redis import RedisError

from shared.background import Background


def _turn(loop: Background, error: Exception | None = None) -> None:
    with loop.turn():
        if error is not None:
            raise error


@pytest.mark.parametrize(
    ("error", "level", "why"),
    [
        (OSError("the disk is away"), logging.WARNING, "the disk is away"),
        (RedisError("no answer"), logging.WARNING, "no answer"),
        (KeyError("kind"), logging.ERROR, "KeyError: 'kind'"),
        (ExceptionGroup("both", [ValueError("x")]), logging.ERROR, "ExceptionGroup: both (1 sub-exception)"),
    ],
)
def test_an_error_is_told_once_until_the_loop_goes_on(
    caplog: pytest.LogCaptureFixture, error: Exception, level: int, why: str
) -> None:
    caplog.set_level(logging.INFO, "shared.background")
    loop, problem = Background("the index"), f"the index cannot go on, and is tried again: {why}"
    for _ in range(2):
        _turn(loop, error)
        assert loop.problem == problem
    _turn(loop)
    assert loop.problem is None
    _turn(loop, error)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (level, problem),
        (logging.INFO, "the index goes on again"),
        (level, problem),
    ]


def test_what_ends_a_process_ends_the_loop() -> None:
    loop = Background("the index")
    with pytest.raises(KeyboardInterrupt), loop.turn():
        raise KeyboardInterrupt
    assert loop.problem is None
