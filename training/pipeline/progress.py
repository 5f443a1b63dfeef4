"""A stage's progress: a line per step in the file that the environment names."""

import os
import sys
from pathlib import Path

from shared.pipeline.stages import PROGRESS_FILE, Progress


def report(what: str, done: int, total: int) -> None:
    """Report `done` of `total`, which `what` names; does nothing if no file is named."""
    if file := os.environ.get(PROGRESS_FILE):
        progress = Progress(stage=Path(sys.argv[0]).stem, what=what, done=done, total=total)
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(progress.model_dump_json() + "\n")
