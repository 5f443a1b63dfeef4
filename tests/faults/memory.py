"""How much memory a process of ours takes."""

import re
from pathlib import Path

import psutil


def peak_mb(pid: int) -> float:
    """The most that was resident since the process began, or since `forget_peak`."""
    return _status(pid, "VmHWM")


def peak_with_children_mb(pid: int) -> float:
    """The sum of these peaks: at least the most that was resident of all at a time."""
    return peak_mb(pid) + sum(peak_mb(child.pid) for child in psutil.Process(pid).children())


def resident_mb(pid: int) -> float:
    return _status(pid, "VmRSS")


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024
