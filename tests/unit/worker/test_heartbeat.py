"""The heartbeat goes on after any error, and an error that stays is a reason to start the process again."""

import pytest

from tests.waiting import wait_for
from worker.process import heartbeat
from worker.process.heartbeat import Heartbeat


def test_no_error_ends_the_heartbeat_and_one_that_stays_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(heartbeat, "HEARTBEAT_LIMIT_S", 0.2)
    errors: list[Exception] = [ValueError("damaged")]
    beats: list[int] = []

    def beat() -> None:
        beats.append(len(errors))
        if errors:
            raise errors[0]

    heart = Heartbeat(beat)
    heart.start()
    assert "has stood still" in wait_for("the process is to be started again", heart.problem)
    errors.clear()
    wait_for("it beats again", lambda: heart.problem() is None and not beats[-1])
    heart.stop()
