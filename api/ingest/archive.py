"""Reads the pictures in a zip."""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL
from io import BytesIO
from tempfile import SpooledTemporaryFile

from api.http.problems import malformed
from api.ingest.intake import PictureRefused, oversize, too_large

SIGNATURE = b"PK\x01\x02"
"""What each entry of a zip's directory begins with."""

_IN_MEMORY = 1024**2
_MAX_DIRECTORY = 16 * 1024**2
_STEP = 256 * 1024
_ENCRYPTED = 0x1
_MAC_EXTRAS = "__MACOSX"
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


def base_name(name: str) -> str:
    """The last component of a path of any operating system."""
    return re.split(r"[/\\]", name)[-1]


def read_pictures(file: ArchiveFile, max_total: int, max_each: int) -> Iterator[tuple[str, bytes | PictureRefused]]:
    """Yield file name and content of each picture.

    Raises:
        Problem: this is not a zip, an entry cannot be read, or the pictures are too large together.
    """
    with _reading("the zip"):
        archive = zipfile.ZipFile(file)
    with archive:
        entries = [entry for entry in archive.infolist() if _is_picture(entry)]
        if sum(entry.file_size for entry in entries if entry.file_size <= max_each) > max_total:
            raise too_large(
                "body-too-large",
                f"The pictures in the zip unpack to over {max_total:,} bytes, more than the request has left.",
            )
        for entry in entries:
            if entry.file_size > max_each:
                yield base_name(entry.filename), oversize(entry.file_size, max_each)
            else:
                yield base_name(entry.filename), _content(archive, entry)


def _is_picture(entry: zipfile.ZipInfo) -> bool:
    """Whether the entry is a picture; raises `Problem` if it cannot be read."""
    if entry.is_dir() or base_name(entry.filename).startswith(".") or entry.filename.startswith(f"{_MAC_EXTRAS}/"):
        return False
    name = entry.filename[:200]
    if entry.flag_bits & _ENCRYPTED:
        raise malformed(f"{name!r} in the zip is encrypted: send it without a password")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise malformed(f"{name!r} in the zip is not compressed with deflate: create the zip with that method")
    return True


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The entry's content, never longer than the directory says: `zipfile` stops there, and the checksum is wrong."""
    content = BytesIO()
    with _reading(f"{entry.filename[:200]!r} in the zip"), archive.open(entry) as stream:
        while step := stream.read(_STEP):
            content.write(step)
    return content.getvalue()


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
