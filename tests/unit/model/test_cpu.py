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
def test_a_cgroup_v2_limit_counts_in_whole_cores(written: str, expected: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(written + "\n")
    assert limit(tmp_path) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", None), ("250000", 2)])
def test_a_cgroup_v1_limit_counts_in_whole_cores(quota: str, expected: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert limit(tmp_path) == expected


def test_without_a_limit_there_is_none(tmp_path: Path) -> None:
    assert limit(tmp_path) is None
