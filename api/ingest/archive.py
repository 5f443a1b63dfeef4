"""Pictures in a zip."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from errno import EINVAL
from io import BytesIO
from tempfile import SpooledTemporaryFile

from api.ingest.intake import PictureRefused, malformed, oversize, too_large

SIGNATURE = b"PK\x01\x02"
"""Before each entry of a zip's directory."""

_IN_MEMORY = 1024**2
_MAX_DIRECTORY = 16 * 1024**2
_STEP = 256 * 1024
_ENCRYPTED = 0x1
_MAC_EXTRAS = "__MACOSX"


class ArchiveFile(SpooledTemporaryFile[bytes]):
    """Where a zip lies; on disk, unless it is small."""

    def __init__(self) -> None:
        super().__init__(max_size=_IN_MEMORY)

    def read(self, *size: int) -> bytes:
        """Raises `BadZipFile` for the directory of a zip that would fill the memory: it alone is read in one go."""
        if size and size[0] > _MAX_DIRECTORY:
            raise zipfile.BadZipFile(f"its directory has over {_MAX_DIRECTORY:,} bytes")
        return super().read(*size)


def base_name(name: str) -> str:
    """The last component of a path of any system."""
    return re.split(r"[/\\]", name)[-1]


def pictures(file: ArchiveFile, max_total: int, max_each: int) -> Iterator[tuple[str, bytes | PictureRefused]]:
    """File name and content of each picture.

    Raises:
        Problem: it is no zip, an entry cannot be read, or the pictures are too large together.
    """
    with _opened(file) as archive:
        entries = [entry for entry in archive.infolist() if _is_picture(entry)]
        if sum(entry.file_size for entry in entries if entry.file_size <= max_each) > max_total:
            raise too_large("body-too-large", f"The pictures in the zip have over {max_total:,} bytes together.")
        for entry in entries:
            if entry.file_size > max_each:
                yield base_name(entry.filename), oversize(entry.file_size, max_each)
            else:
                yield base_name(entry.filename), _content(archive, entry)


def _is_picture(entry: zipfile.ZipInfo) -> bool:
    """Raises `Problem` for an entry that cannot be read."""
    if entry.is_dir() or base_name(entry.filename).startswith(".") or entry.filename.startswith(f"{_MAC_EXTRAS}/"):
        return False
    name = entry.filename[:200]
    if entry.flag_bits & _ENCRYPTED:
        raise malformed(f"{name!r} in the zip is encrypted: send it without a password")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise malformed(f"{name!r} in the zip is compressed by another method than deflate")
    return True


def _opened(file: ArchiveFile) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise malformed(f"the zip cannot be read: {error}") from error
    except OSError as error:
        raise _if_misled(error, "the zip cannot be read") from error


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Never more than the directory promises: `zipfile` stops there, and then the checksum is wrong."""
    content, what = BytesIO(), f"{entry.filename[:200]!r} in the zip cannot be read"
    try:
        with archive.open(entry) as stream:
            while step := stream.read(_STEP):
                content.write(step)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise malformed(f"{what}: {error}") from error
    except OSError as error:
        raise _if_misled(error, what) from error
    return content.getvalue()


def _if_misled(error: OSError, what: str) -> Exception:
    """A zip can point to places before its own beginning; other errors are the disk's."""
    return malformed(f"{what}: it points outside itself") if error.errno == EINVAL else error
