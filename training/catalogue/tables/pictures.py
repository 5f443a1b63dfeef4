"""The files of pictures beside a table: in its folder, in folders below, and in zips."""

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote

from shared.file_names import AmbiguousNameError, FilePath, NamedPictures, SameNameError, entry_names
from shared.model.images import UnreadableImageError
from shared.settings import get_settings
from training.catalogue.places import MOST_FILES, Folder, PlaceError

_SHOWN = 200
"""Characters of a name that a message shows."""
_DAMAGES = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, EOFError, ValueError, OverflowError, OSError)


@dataclass(frozen=True)
class LooseFile:
    """A picture's file in a folder."""

    path: str
    mark: str
    folder: Folder = field(compare=False, repr=False)

    def read(self) -> bytes:
        """Return its content; raises `FileNotFoundError` and `PlaceError`."""
        try:
            return self.folder.read(self.path)
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no {self.path[:_SHOWN]}") from None


@dataclass(frozen=True)
class PackedFile:
    """A picture's entry in a zip. Copies in one zip are equal: one picture."""

    mark: str
    """Checksum and size."""
    archive: zipfile.ZipFile = field(compare=False, repr=False)
    info: zipfile.ZipInfo = field(compare=False, repr=False)

    def read(self) -> bytes:
        """Return its content; raises `UnreadableImageError` if it is too large or damaged."""
        limit = get_settings().max_image_bytes
        if self.info.file_size > limit:
            raise UnreadableImageError(f"it has {self.info.file_size:,} bytes, over {limit:,}")
        try:
            return self.archive.read(self.info)
        except _DAMAGES as error:
            raise UnreadableImageError(f"its entry in the zip cannot be read: {type(error).__name__}") from error


PictureFile = LooseFile | PackedFile


class PictureFiles:
    """The pictures in a folder and in zips, found by the rules of requests to the API (`shared.file_names`).

    A file in the folder goes before one in a zip, because many people leave a zip where they have unpacked it.

    Args:
        folder: Where they lie, also in folders below it. One that is not listed is asked for each name.
        zips: Names of archives in it, which are read as well.
        loose: Whether files outside the zips count.

    Raises:
        PlaceError: The folder or a zip cannot be read.
    """

    def __init__(self, folder: Folder, zips: Sequence[str], *, loose: bool = True) -> None:
        self._asked = folder if loose and not folder.is_listed else None
        self._groups: list[NamedPictures[PictureFile]] = []
        if loose:
            self._groups.append(_named(_loose(folder)))
        self._groups.append(_named(file for name in zips for file in _packed(folder, name)))

    def find(self, name: str) -> PictureFile:
        """Return the file that a table's cell names.

        Raises:
            FileNotFoundError: There is none, or several may be meant; the message says so.
        """
        for group in self._groups:
            try:
                if (found := group.find(name)) is not None:
                    return found
            except AmbiguousNameError as error:
                raise FileNotFoundError(str(error)) from None
        if self._asked is not None and (path := _asked_path(name)):
            return LooseFile(path, "", self._asked)
        other = next(filter(None, (group.elsewhere(name) for group in self._groups)), None)
        hint = f"; {other!r} is in another folder" if other is not None else ""
        raise FileNotFoundError(f"no file has the name {name[:_SHOWN]!r}{hint}")

    def marks(self, names: Sequence[str]) -> dict[str, str]:
        """Return the marks of the pictures that can be found, by their names; raises `PlaceError`."""
        found: dict[str, PictureFile] = {}
        for name in names:
            with suppress(FileNotFoundError):
                found[name] = self.find(name)
        asked = {name: file.path for name, file in found.items() if isinstance(file, LooseFile) and not file.mark}
        marks = self._asked.marks("", sorted({*asked.values()})) if self._asked is not None and asked else {}
        known = {name: marks.get(asked[name], "") if name in asked else file.mark for name, file in found.items()}
        return {name: mark for name, mark in known.items() if mark}


def _asked_path(name: str) -> str:
    """Return a name as a part of a URL."""
    return quote(str(FilePath.of(name)))


def _named(files: Iterable[tuple[FilePath, Sequence[FilePath], PictureFile]]) -> NamedPictures[PictureFile]:
    named = NamedPictures[PictureFile]()
    for number, (path, readings, file) in enumerate(files):
        if number == MOST_FILES:
            raise PlaceError(f"there are over {MOST_FILES:,} pictures")
        with suppress(SameNameError):  # the names differ in ways that tables do not show
            named.add(path, file, readings)
    return named


def _loose(folder: Folder) -> Iterator[tuple[FilePath, Sequence[FilePath], PictureFile]]:
    for name, mark in folder.tree().items():
        path = FilePath.of(name)
        if path.parts and not path.is_junk:
            yield path, (), LooseFile(name, mark, folder)


def _packed(folder: Folder, name: str) -> Iterator[tuple[FilePath, Sequence[FilePath], PictureFile]]:
    """Yield the files in a zip, as if it was unpacked into a folder that is called like it."""
    try:
        archive = zipfile.ZipFile(folder.open(name))
    except FileNotFoundError:
        raise PlaceError(f"there is no {name}") from None
    except _DAMAGES as error:
        raise PlaceError(f"{name} is no zip that can be read: {type(error).__name__}") from error
    above = name.partition("?")[0].removesuffix(".zip")
    for info in reversed(archive.infolist()):  # of two entries with one name, the later one replaces the other
        path, *readings = (FilePath.of(f"{above}/{FilePath.of(entry)}") for entry in entry_names(info))
        if not (info.is_dir() or info.orig_filename.endswith("\\") or len(path.parts) < 2 or path.is_junk):
            yield path, readings, PackedFile(f"{info.CRC:08x} {info.file_size}", archive, info)
