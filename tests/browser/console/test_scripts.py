"""The console's scripts and styles: typed, few, and our own."""

import gzip
import shutil
import subprocess

import pytest

from api.console.static_files import FOLDER
from stack.services import ROOT

MOST_SCRIPT, MOST_STYLE = 60_000, 25_000
"""Bytes of all scripts, and of all styles, compressed with gzip."""


def test_the_scripts_are_typed() -> None:
    tsc = shutil.which("tsc")
    if tsc is None:
        pytest.fail("no TypeScript compiler is on the PATH (Debian: apt-get install node-typescript)", pytrace=False)
    ran = subprocess.run([tsc, "-p", "tests/browser/console"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(("suffix", "most"), [(".js", MOST_SCRIPT), (".css", MOST_STYLE)])
def test_all_that_a_browser_loads_is_small(suffix: str, most: int) -> None:
    files = [path.read_bytes() for path in FOLDER.rglob(f"*{suffix}")]
    assert files
    assert sum(len(gzip.compress(data)) for data in files) <= most
