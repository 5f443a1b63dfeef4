"""What this machine's CPU can do."""

from pathlib import Path


def instructions() -> frozenset[str]:
    """The names of its instruction sets, as Linux writes them (`avx512_bf16`); empty where nobody says."""
    try:
        return frozenset(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return frozenset()
