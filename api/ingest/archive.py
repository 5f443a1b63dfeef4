"""Reads the files in a zip: pictures, and perhaps their table."""

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EINVAL
from functools import partial
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO

from api.http.problems import malformed
from api.ingest.intake import too_large
from shared.file_names import FilePath, entry_names

SIGNATURE = b"PK\x01\x02"
"""What each entry of a zip's directory begins with."""

_IN_MEMORY = 1024**2
_MAX_DIRECTORY = 16 * 1024**2
_STEP = 256 * 1024
_ENCRYPTED = 0x1
_DAMAGES = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, EOFError, ValueError, OverflowError)


class ArchiveFile(SpooledTemporaryFile[bytes]):
    """A temporary file that holds a zip: on disk, unless it is small."""

    def __init__(self) -> None:
        super().__init__(max_size=_IN_MEMORY)

    def read(self, *size: int) -> bytes:
        """Raise `BadZipFile` for a directory that would fill the memory: it alone is read in one piece."""
        if size and size[0] > _MAX_DIRECTORY:
            raise zipfile.BadZipFile(f"its directory has over {_MAX_DIRECTORY:,} bytes")
        return super().read(*size)


@dataclass(frozen=True)
class ZipEntry:
    """A file in a zip, to be read before the next one is asked for. Each method raises `Problem` for a damaged one."""

    path: FilePath
    readings: tuple[FilePath, ...]
    """Its path in other code pages, if the zip does not say which one it was written in."""
    size: int
    _archive: zipfile.ZipFile
    _info: zipfile.ZipInfo

    def content(self) -> bytes:
        content = BytesIO()
        self.copy_to(content)
        return content.getvalue()

    def copy_to(self, file: IO[bytes]) -> None:
        """Copy the content, never longer than `size`: `zipfile` stops there, and the checksum is wrong."""
        with _reading(f"{_shown(self.path)} in the zip"), self._archive.open(self._info) as stream:
            while step := stream.read(_STEP):
                file.write(step)


def read_entries(file: ArchiveFile, max_total: int, is_counted: Callable[[FilePath, int], bool]) -> Iterator[ZipEntry]:
    """Yield each file, without those that systems keep in their folders.

    Args:
        is_counted: Whether an entry of this path and size will be read.

    Raises:
        Problem: This is not a zip, an entry cannot be read, or the files to be read are too large together.
    """
    with _reading("the zip"):
        archive = zipfile.ZipFile(file)
    with archive:
        entries = [entry for entry in map(partial(_entry, archive), archive.infolist()) if entry is not None]
        if sum(entry.size for entry in entries if is_counted(entry.path, entry.size)) > max_total:
            raise too_large(
                "body-too-large",
                f"The files in the zip unpack to over {max_total:,} bytes, more than the request has left.",
            )
        yield from entries


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> ZipEntry | None:
    """Return the entry if it is a file that somebody has sent on purpose; raises `Problem` if it cannot be read."""
    path, *readings = map(FilePath.of, entry_names(info))
    if info.is_dir() or info.orig_filename.endswith("\\") or not path.parts or path.is_junk:
        return None
    if info.flag_bits & _ENCRYPTED:
        raise malformed(f"{_shown(path)} in the zip is encrypted: send it without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise malformed(f"{_shown(path)} in the zip is not compressed with deflate: create the zip with that method")
    return ZipEntry(path, tuple(readings), info.file_size, archive, info)


def _shown(path: FilePath) -> str:
    return repr(str(path)[:200])


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turn what `zipfile` raises for a damaged zip into a `Problem`."""
    try:
        yield
    except _DAMAGES as error:
        raise malformed(f"{what} cannot be read: {error}") from error
    except OSError as error:
        if error.errno == EINVAL:
            raise malformed(f"{what} cannot be read: it points outside itself") from error
        raise
