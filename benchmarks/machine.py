"""A description of the machine."""

import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from shared.model.runtimes import cpu
from stack.processes import StartError
from stack.redis_server import find_server

_TELLING = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "bf16", "i8mm")
"""The instruction sets that decide how fast int8 and bf16 are."""
_PACKAGES = ("openvino", "tensorflow-cpu", "tensorflow", "keras", "jax", "celery", "redis", "fastapi")


def describe() -> dict[str, str]:
    """Properties of this machine, by name."""
    flags = cpu.instructions()
    facts = {
        "CPU": f"{_cpu('model name') or platform.machine()}, {_cores()} cores",
        "instruction sets": ", ".join(name for name in _TELLING if name in flags) or "none of these",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Redis server": _redis_server(),
        "packages": ", ".join(_packages()),
    }
    return facts | ({"GPU": gpu} if (gpu := _gpu()) else {})


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _cpu(name: str) -> str:
    """The first such entry of the kernel's table."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _packages() -> Iterator[str]:
    for name in _PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue


def _redis_server() -> str:
    try:
        return _first_line(find_server(), "--version")
    except StartError:
        return "none"


def _gpu() -> str:
    try:
        return _first_line("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _first_line(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.partition("\n")[0].strip()
