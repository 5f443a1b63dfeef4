"""The CPU's instruction sets, and the share of it that this process may use."""

import math
import os
from pathlib import Path


def instructions() -> frozenset[str]:
    """Return the names of its instruction sets as in Linux (`avx512_bf16`); empty if they are unknown."""
    try:
        return frozenset(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return frozenset()


def limit(cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """A container's limit in whole cores, at least one; `None` where it is above what there is, or there is none.

    A runtime that starts a thread for each core of the machine stands still for the rest of each tenth of a second once
    the limit is used up. Where it is written: the kernel's documentation of cgroups, v2 (`cpu.max`) and v1.
    """
    try:
        if (version_2 := cgroup / "cpu.max").exists():
            quota, period = version_2.read_text().split()
        else:
            quota, period = ((cgroup / "cpu" / f"cpu.cfs_{part}_us").read_text() for part in ("quota", "period"))
        allowed = float(quota) / float(period) if quota != "max" and float(quota) > 0 else math.inf
    except (OSError, ValueError):
        return None
    return max(1, math.floor(allowed)) if allowed < (os.cpu_count() or 1) else None
