"""The stores of files: pictures, labels and the protected set, each copied file by file."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from shared.settings import Settings
from shared.stores.blobs import blob_name
from shared.stores.files import Files
from stack.backup.archive import Archive, BackupError, NotEmptyError, SavedFile, Writer
from stack.backup.progress import ProgressLines

_T = TypeVar("_T")
_R = TypeVar("_R")
_THREADS = 8
_DECISIONS = re.compile(r"\d{8}/[0-9TZ.]+-[0-9a-f]{24}\.ndjson")
_BLOB = re.compile(r"([0-9a-f]{2})/(?P<sha256>\1[0-9a-f]{62})")


@dataclass(frozen=True)
class Tree:
    """Files below a URL."""

    name: str
    """Their folder in the backup."""
    what: str
    """What they are, as messages say it."""
    url: str
    accepted: re.Pattern[str]
    """Paths below the URL; a group `sha256` is the file's."""


def trees(settings: Settings) -> list[Tree]:
    """The stores that the settings name; labels' files come before the pictures that they name."""
    labels = settings.labels_url.rstrip("/")
    found = [
        Tree("pictures", "pictures", settings.blob_url, _BLOB),
        Tree("labels/files", "files of labels", f"{labels}/labels", re.compile(r"[0-9TZ.]+-[0-9a-f]{24}\.ndjson")),
        Tree("labels/decisions", "files of decisions", f"{labels}/decisions", _DECISIONS),
        Tree("labels/taxonomies", "taxonomies", f"{labels}/taxonomies", re.compile(r"\d{8}-[0-9a-f]{16}\.json")),
        Tree("labels/pictures", "pictures of labels", f"{labels}/pictures", _BLOB),
    ]
    if settings.protected_set is not None:
        found.append(Tree("protected", "files of the protected set", settings.protected_set, re.compile(r"(?s).+")))
    return found


class TreeCopy:
    """Copies a tree into a backup, in several turns if need be: a turn takes what earlier ones have not."""

    def __init__(self, tree: Tree, writer: Writer, progress: ProgressLines) -> None:
        self._tree = tree
        self._files = Files(tree.url)
        self._writer = writer
        self._progress = progress
        self._copied = set[str]()

    def turn(self) -> None:
        """Raises `OSError` if the store cannot be reached."""
        new = [path for path in _paths(self._files, self._tree) if path not in self._copied]
        with self._progress.of(self._tree.what, len(new)) as more:
            for path in in_parallel(self._copy, new):
                self._copied.add(path)
                more(1)

    def _copy(self, path: str) -> str:
        try:
            data = self._files.read(f"{self._files.root}/{path}")
        except FileNotFoundError:  # an old picture that nothing refers to has been removed
            return path
        if not _is_named_by(self._tree, path, blob_name(data)):
            self._progress.say(
                f"left out, because its bytes are not those that were stored: {path} ({self._tree.what})"
            )
            return path
        self._writer.add(f"{self._tree.name}/{path}", data)
        return path


class TreeLoad:
    """Copies a tree from a backup to where the settings want it."""

    def __init__(self, tree: Tree, archive: Archive, progress: ProgressLines) -> None:
        self._tree = tree
        self._files = Files(tree.url)
        self._archive = archive
        self._progress = progress
        self._saved = {self._path(file): file for file in archive.files(f"{tree.name}/")}
        self._there = set[str]()

    def check_empty(self) -> None:
        """Raise `BackupError` if there are other files than an interrupted restore of this backup can have left."""
        for path in _paths(self._files, self._tree):
            saved = self._saved.get(path)
            if saved is None or blob_name(self._files.read(f"{self._files.root}/{path}")) != saved.sha256:
                found = f"there are {self._tree.what} already that the backup does not have, such as {path}"
                raise NotEmptyError(found, "name an empty place in the settings")
            self._there.add(path)

    def load(self) -> None:
        lacking = [path for path in self._saved if path not in self._there]
        with self._progress.of(self._tree.what, len(lacking)) as more:
            for _ in in_parallel(self._load, lacking):
                more(1)

    def _load(self, path: str) -> None:
        self._files.write(f"{self._files.root}/{path}", self._archive.read(self._saved[path]))

    def _path(self, file: SavedFile) -> str:
        path = file.path.removeprefix(f"{self._tree.name}/")
        if not self._tree.accepted.fullmatch(path) or not _is_named_by(self._tree, path, file.sha256):
            raise BackupError(
                f"{self._archive.shown} is damaged: {file.path} is no name for one of the {self._tree.what}"
            )
        return path


def in_parallel(function: Callable[[_T], _R], values: Iterable[_T]) -> Iterator[_R]:
    """Yield the function's results in order, computed by a few threads that are only a little ahead."""
    with ThreadPoolExecutor(_THREADS) as pool:
        ahead = deque[Future[_R]]()
        for value in values:
            ahead.append(pool.submit(function, value))
            if len(ahead) > 2 * _THREADS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _paths(files: Files, tree: Tree) -> Iterator[str]:
    """Yield the paths of the tree's files, without those that are being written."""
    for path, _ in files.below(files.root):
        below = path.removeprefix(files.root).lstrip("/")
        if tree.accepted.fullmatch(below):
            yield below


def _is_named_by(tree: Tree, path: str, sha256: str) -> bool:
    """Whether the path agrees with the file's hash, if it names one."""
    found = tree.accepted.fullmatch(path)
    return found is not None and found.groupdict().get("sha256", sha256) == sha256
