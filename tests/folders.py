"""Folders that something else still works in."""

import shutil
from pathlib import Path


def remove_in_use(folder: Path) -> None:
    """Remove a folder into which another thread or process may be writing at this moment.

    It is renamed first: a file that appears while `shutil.rmtree` runs would make it fail, but under the new name
    nobody creates one.
    """
    gone = folder.with_name(f"{folder.name}-removed")
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
