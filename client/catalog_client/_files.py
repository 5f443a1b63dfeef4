"""Files with results: their format, and how they come about."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

FORMS = ("ndjson", "csv", "parquet")
"""The formats of results that a file's name can ask for."""


def form_of(path: str | Path) -> str:
    """Return the format of results that the file's name asks for; NDJSON if it asks for none."""
    ending = Path(path).suffix.lower().removeprefix(".")
    return ending if ending in FORMS else "ndjson"


def beside(path: Path, ending: str) -> Path | None:
    """Return the place of a further file beside this one; `None` for a pipe or a device, which nothing can replace."""
    if path.exists() and not path.is_file():
        return None
    target = path.resolve()  # a link stays, and leads to the new file
    return target.with_name(f"{target.name}.{ending}")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written that takes the place of `path` once it is complete.

    Raises:
        OSError: it cannot be written.
    """
    part = beside(path, "part")
    if part is None:
        with TemporaryFile() as file, path.open("wb") as special:
            yield file
            file.seek(0)
            shutil.copyfileobj(file, special)
        return
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path.resolve())
    finally:
        part.unlink(missing_ok=True)
