"""Labels: what people say an item is. Stored append-only, for trainings to learn from.

labels/<time>-<id>.ndjson    a file per accepted request, never changed, with a label per line
pictures/                    pictures under the sha256 of their bytes
"""

import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from shared.stores.blobs import Blobs
from shared.stores.files import Files
from shared.stores.request_files import RequestFiles, arrival, file_name
from shared.words import words


class LabelKind(StrEnum):
    """How a label relates to the result that it names."""

    CORRECTION = "correction"
    CONFIRMATION = "confirmation"


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says an item is."""

    index: int
    """Position in its request."""
    code: str
    by: str
    at: datetime
    """When the person said it, with a time zone."""
    tenant: str
    title: str | None = None
    description: str | None = None
    picture: str | None = None
    """The sha256 of its bytes, which are stored beside the labels."""
    url: str | None = None
    """URL of a picture that is not stored: information for readers, which no training fetches."""
    kind: LabelKind | None = None
    """`None` for a label that names no result with an answer."""
    job: str | None = None
    item: str | None = None
    """The item's id in that job."""
    bundle: str | None = None
    """The bundle that gave the answer; next, the code and the confidence of that answer."""
    guess: str | None = None
    confidence: float | None = None
    file: str = ""
    """Name of its file; files sort by arrival."""

    @property
    def identity(self) -> str | None:
        return identity(self.title, self.description, self.picture)

    @property
    def rank(self) -> tuple[datetime, str, int]:
        """The label with the greater rank wins: the later one, or of equally old ones the later arrival."""
        return self.at, self.file, self.index

    def line(self) -> bytes:
        """Return its line in the file."""
        facts = {name: value for name, value in asdict(self).items() if value is not None and name != "file"}
        return json.dumps({**facts, "at": self.at.isoformat()}, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes, file: str) -> "Label":
        facts = json.loads(line)
        if "model" in facts:  # its name in older files
            facts["bundle"] = facts.pop("model")
        for name in ("code", "guess"):  # numbers in older files
            if name in facts:
                facts[name] = str(facts[name])
        kind = LabelKind(facts["kind"]) if "kind" in facts else None
        names = {field.name for field in fields(cls)}  # a later release may have added others
        facts = {name: fact for name, fact in facts.items() if name in names}
        return cls(**{**facts, "at": datetime.fromisoformat(facts["at"]), "kind": kind, "file": file})


def identity(title: str | None, description: str | None, picture: str | None) -> str | None:
    """Hash what an item is classified by, its words and its picture; `None` if it has neither."""
    text = " ".join(words(title, description))
    if not text and picture is None:
        return None
    return hashlib.blake2b(f"{text}\0{picture or ''}".encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Snapshot:
    """The contents of a copy of the store."""

    count: int
    """Number of labels."""
    sha256: str
    """sha256 of all files in order, so that equal copies have equal hashes."""
    last: datetime | None
    """When the newest file arrived."""


class LabelStore:
    """A store of labels and their pictures. Args: url: A folder as any fsspec URL."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._files = RequestFiles(Files(self.url), "labels")
        self._pictures = Blobs(f"{self.url}/pictures")

    def put_picture(self, data: bytes) -> str:
        """Store the bytes and return their sha256. Raises `OSError`."""
        return self._pictures.put(data)

    def picture(self, sha256: str) -> bytes:
        """Return its bytes; raises `shared.stores.blobs.BlobNotFoundError`, or `OSError` if the store is away."""
        return self._pictures.get(sha256)

    @staticmethod
    def name(moment: float, identifier: str) -> str:
        """Return the name of a file accepted at this moment by Redis's clock; `identifier` has 24 hex digits."""
        return file_name(moment, identifier)

    def append(self, name: str, labels: Iterable[Label]) -> None:
        """Write a new file, whole or not at all; the pictures have been stored before. Raises `OSError`."""
        self._files.append(name, (label.line() for label in labels))

    def names(self) -> list[str]:
        """Return the names of all files in the order of their arrival. Raises `OSError`."""
        return self._files.names()

    def labels(self, names: Collection[str] | None = None) -> Iterator[Label]:
        """Yield the labels of these files, or of all, in the order of their arrival."""
        for name in self.names() if names is None else names:
            yield from _parsed(self._files.content(name), name)

    def snapshot(self, folder: Path) -> Snapshot:
        """Make the folder an exact copy of this store."""
        if folder.exists():
            shutil.rmtree(folder)
        names, count, digest, copied = self.names(), 0, hashlib.sha256(), set[str]()
        copy = LabelStore(str(folder))
        for name in names:
            content = self._files.content(name)
            digest.update(content)
            for label in _parsed(content, name):
                count += 1
                if label.picture is not None and label.picture not in copied:
                    copied.add(copy.put_picture(self.picture(label.picture)))
            copy._files.append(name, [content])
        return Snapshot(count, digest.hexdigest(), arrival(names[-1]) if names else None)


def _parsed(content: bytes, name: str) -> Iterator[Label]:
    return (Label.read(line, name) for line in content.splitlines())
