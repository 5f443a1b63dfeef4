import os
from pathlib import Path

import pytest

from shared.model.runtimes.cpu import limit


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("max 100000", None), ("300000 100000", 3), ("199000 100000", 1), ("20000 100000", 1), ("400000 100000", None)],
)
def test_a_containers_limit_counts_in_whole_cores(written: str, expected: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(written + "\n")
    assert limit(tmp_path) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", None), ("250000", 2)])
def test_so_does_one_of_the_older_kind(quota: str, expected: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert limit(tmp_path) == expected


def test_nothing_is_said_where_nothing_limits(tmp_path: Path) -> None:
    assert limit(tmp_path) is None
