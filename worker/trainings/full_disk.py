"""Says that a disk is full, in place of the last lines of whichever program met it first."""

import errno
import re
import shutil
import tempfile
from pathlib import Path

from shared.settings import Settings

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SAID = re.compile(r"No space left on device|Out of diskspace|Disk quota exceeded|\bENOSPC\b|\[Errno (28|122)\]")
_NO_ROOM = 1024**2
"""Bytes with which nothing can be done, whatever the program that failed said of it."""


def full_disk(error: BaseException, settings: Settings) -> str | None:
    """Return a sentence that names the folder and what is free there; `None` if the error has another reason.

    The program that failed may have removed what it had written, so more can be free by now. Of the folders that
    trainings write to, the one with the least room is meant, unless the error names a file.
    """
    of_system = isinstance(error, OSError) and error.errno in _FULL
    folders = [settings.training_workspaces, settings.training_repository, settings.model_cache]
    places = [*folders, Path(tempfile.gettempdir())]
    if isinstance(error, OSError) and of_system and isinstance(error.filename, str):
        places = [Path(error.filename)]
    folder = min((_existing(place) for place in places), key=_free)
    if not of_system and not _SAID.search(str(error)) and _free(folder) >= _NO_ROOM:
        return None
    return (
        f"the disk of {folder} is full ({_free(folder) / 1e6:,.1f} MB free): make room there, and request the training "
        "again; what it has finished is kept"
    )


def _existing(place: Path) -> Path:
    """Return the folder itself, or the next one above that is there."""
    place = place.resolve()
    return next(folder for folder in (place, *place.parents) if folder.is_dir())


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
