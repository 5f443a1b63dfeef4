"""A bound on the lines of a logger."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.log_limits import PerMinute


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock) -> Iterator[logging.Logger]:
    logger, limit = logging.getLogger("tests.log_limits"), PerMinute(3, clock)
    logger.addFilter(limit)
    yield logger
    logger.removeFilter(limit)


def test_a_minute_has_so_many_lines_and_the_next_one_counts_the_others(
    log: logging.Logger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(59):
        clock.now = 1000 + second
        log.warning("refused %r", second, extra={"fields": {"event": "refused"}})
    assert [record.getMessage() for record in caplog.records] == ["refused 0", "refused 1", "refused 2"]
    clock.now = 1060
    log.warning("refused %r", "100%s", extra={"fields": {"event": "refused"}})
    log.warning("refused")
    told, after = caplog.records[3:]
    assert told.getMessage() == "refused '100%s'; before it, 56 more were not logged"
    assert told.__dict__["fields"] == {"event": "refused", "left_out": 56}
    assert after.getMessage() == "refused"


def test_threads_share_the_bound(log: logging.Logger, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(log.warning, ["refused"] * 1000))
    assert len(caplog.records) == 3
    clock.now += 60
    log.warning("again")
    assert caplog.records[-1].__dict__["fields"]["left_out"] == 997
