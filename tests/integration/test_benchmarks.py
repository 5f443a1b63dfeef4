"""The benchmarks of the system run, small, and find what they measure; figures are for `benchmarks/results.md`."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.comparison import at_size
from benchmarks.harness import Result
from shared.model.bundle import Bundle
from shared.settings import ROOT, Settings
from training.pipeline.layout import STARTER
from worker.serving.loading import make_ready

_SMALL = {
    "queue": ["--items", "3000", "--rounds", "1"],
    "scaling": ["--workers", "1", "2", "--seconds", "2"],
    "text_only": ["--items", "1000", "--rounds", "1"],
    "overhead": ["--items", "16", "--rounds", "1"],
    "cascade": ["--items", "16", "--rounds", "1"],
    "explanation": ["--items", "30"],
    "remembered": ["--items", "200", "--rounds", "1", "--most", "30000"],
    "promise": ["--products", "2200", "--seeds", "1", "--days", "4", "--daily", "300"],
    "provisional": ["--seeds", "1"],
    "waiters": ["--callers", "40", "--jobs", "2"],
    "memory": ["--items", "500", "--shown", "8"],
    "categories": ["--leaves", "120", "--items", "600", "--epochs", "1", "--titles", "200", "--rounds", "1"],
    "near_copies": ["--mistakes", "60", "--items", "4000"],
}


@pytest.mark.parametrize("name", _SMALL)
def test_a_benchmark_measures_something(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", *_SMALL[name], "--output", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    result = Result.load(tmp_path / f"{name}.json")
    assert result.reached is not None
    assert all(table.rows for table in result.tables)
    report.write(tmp_path, tmp_path / "results.md")
    assert result.outcome in (tmp_path / "results.md").read_text()


def test_a_worker_serves_the_model_at_the_size_of_the_other_servers(tmp_path: Path) -> None:
    """It has the weights of another size, so it would not give its golden answers."""
    engine, _ = make_ready(at_size(Bundle.load(ROOT / STARTER), 224, tmp_path / "bundle"), Settings())
    engine.close()
