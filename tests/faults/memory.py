"""How much memory a process of ours takes."""

import re
from pathlib import Path


def peak_mb(pid: int) -> float:
    """The most that was resident since the process began, or since `forget_peak`."""
    return _status(pid, "VmHWM")


def resident_mb(pid: int) -> float:
    return _status(pid, "VmRSS")


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024
