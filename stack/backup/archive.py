"""A backup's files: written with an index and a manifest, and read only as these say."""

import hashlib
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.pipeline.params import without_password
from shared.stores.files import Files

FORMAT = 1
"""Goes up when a release cannot read what the next one writes."""
MANIFEST = "manifest.json"
_INDEX = "index"
_PER_PART = 10_000
"""Files that one file of the index describes."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BackupError(RuntimeError):
    """What cannot be saved or restored, and why, in a sentence for the operator."""


class NotEmptyError(BackupError):
    """There is something already where a backup would be restored."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(f"{found}. A backup is restored only into an empty installation: {remedy}")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class SavedFile(_Record):
    """A file of the backup."""

    path: str
    """Below the backup's folder."""
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=_SHA256.pattern)


class SavedTotal(_Record):
    files: int = 0
    bytes: int = 0


class RedisFigures(_Record):
    """What Redis held at the moment of which the backup is a copy."""

    server: str
    keys: int
    jobs: int
    """Jobs and trainings that have a record."""
    unfinished: int
    """Those of them that had not ended."""
    waiting: Mapping[str, int]
    """Lane → items without an outcome."""
    api_keys: int


class BackupManifest(_Record):
    """What makes a folder of files a backup."""

    format: int
    id: str = Field(pattern="^[0-9a-f]{24}$")
    project: str
    """The version of the project that wrote it."""
    begun: datetime
    taken: datetime
    """The moment, by Redis' clock, of which the jobs are a copy."""
    redis: RedisFigures
    versions: int | None
    """Versions of the model; `None` if the registry was left out."""
    contents: Mapping[str, SavedTotal]
    """By the folder's name."""
    index: tuple[SavedFile, ...]


class Writer:
    """Writes a new backup; `add` may be called by several threads.

    Args:
        url: A folder, or any fsspec URL.

    Raises:
        BackupError: There is something already.
    """

    def __init__(self, url: str) -> None:
        self.shown = without_password(url)
        self._files = Files(url)
        self._begun = datetime.now(UTC)
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._parts: list[SavedFile] = []
        self._contents: dict[str, SavedTotal] = {}
        if next(self._files.below(self._files.root), None) is not None:
            raise BackupError(f"{self.shown} is not empty: name a new folder for each backup")

    @property
    def contents(self) -> Mapping[str, SavedTotal]:
        return self._contents

    def add(self, path: str, data: bytes) -> None:
        """Write a file, which must be new."""
        saved = self._write(path, data)
        folder = path.partition("/")[0]
        with self._lock:
            self._lines.append(saved.model_dump_json().encode() + b"\n")
            before = self._contents.get(folder, SavedTotal())
            self._contents[folder] = SavedTotal(files=before.files + 1, bytes=before.bytes + saved.bytes)
            if len(self._lines) == _PER_PART:
                self._end_part()

    def finish(self, taken: datetime, redis: RedisFigures, versions: int | None) -> BackupManifest:
        """Write the manifest: from now on the folder is a backup."""
        if self._lines:
            self._end_part()
        manifest = BackupManifest(
            format=FORMAT,
            id=secrets.token_hex(12),
            project=version("rakuten-catalog"),
            begun=self._begun,
            taken=taken,
            redis=redis,
            versions=versions,
            contents=self._contents,
            index=tuple(self._parts),
        )
        self._files.write(f"{self._files.root}/{MANIFEST}", manifest.model_dump_json(indent=2).encode() + b"\n")
        return manifest

    def _end_part(self) -> None:
        data = b"".join(self._lines)
        self._lines.clear()
        self._parts.append(self._write(f"{_INDEX}/{len(self._parts) + 1:06}.ndjson", data))

    def _write(self, path: str, data: bytes) -> SavedFile:
        self._files.write(f"{self._files.root}/{path}", data)
        return SavedFile(path=path, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


class Archive:
    """Reads a whole backup. Nothing in it is trusted beyond what its manifest and index say.

    Raises:
        BackupError: It is no whole backup, or one that this release cannot read.
    """

    def __init__(self, url: str) -> None:
        self.shown = without_password(url)
        self._files = Files(url)
        try:
            data = self._files.read(f"{self._files.root}/{MANIFEST}")
        except FileNotFoundError:
            raise BackupError(
                f"{self.shown} is no whole backup: it has no {MANIFEST}, which is written last, so the backup was "
                "interrupted, or this is another folder"
            ) from None
        self.manifest = self._manifest(data)

    @property
    def size(self) -> SavedTotal:
        every = self.manifest.contents.values()
        return SavedTotal(files=sum(of.files for of in every), bytes=sum(of.bytes for of in every))

    def files(self, folder: str = "") -> Iterator[SavedFile]:
        """Yield the files of the index, or those below one of its folders, in the order in which they were written."""
        for part in self.manifest.index:
            for line in self.read(part).splitlines():
                try:
                    file = SavedFile.model_validate_json(line)
                except ValidationError:
                    raise self._damaged(f"{part.path} has a line of a wrong form") from None
                if any(name in ("", ".", "..") for name in re.split(r"[/\\]", file.path)) or "\0" in file.path:
                    raise self._damaged(f"{part.path} names a file outside the backup")
                if file.path.startswith(folder):
                    yield file

    def read(self, file: SavedFile) -> bytes:
        """Return the file's bytes, which are those that were saved."""
        try:
            data = self._files.read(f"{self._files.root}/{file.path}")
        except FileNotFoundError:
            raise self._damaged(f"{file.path} is missing") from None
        if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:
            raise self._damaged(f"{file.path} has changed since it was written")
        return data

    def _manifest(self, data: bytes) -> BackupManifest:
        try:
            described = _Format.model_validate_json(data)
            if described.format > FORMAT:
                raise BackupError(
                    f"{self.shown} was written by a newer release ({described.project}, format {described.format}; "
                    f"this release reads format {FORMAT}): restore it with that release or a later one"
                )
            return BackupManifest.model_validate_json(data)
        except ValidationError:
            raise self._damaged(f"{MANIFEST} has a wrong form") from None

    def _damaged(self, what: str) -> BackupError:
        return BackupError(f"{self.shown} is damaged: {what}. Restore another backup.")


class _Format(_Record):
    """What is read first of a manifest, because the rest may be another release's."""

    format: int
    project: Any = "unknown"
