"""Pictures that came as files, and which of them an item means."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from shared.file_names.paths import FilePath, decoded

Kept = TypeVar("Kept")

_SHOWN = 200
"""Characters of a name that a message shows."""
_MOST_FOLDERS = 16
"""Components of a path at its end that are compared."""


class AmbiguousNameError(LookupError):
    """Several files may be meant; the message names two."""


class SameNameError(ValueError):
    """Two pictures have one path, which the message names."""


class NamedPictures(Mapping[str, Kept]):
    """Pictures, whatever is kept of each, by their paths with `/` between the folders.

    An item names a picture by its path, or by as much of the path's end as no other picture has; upper and lower case
    are the same where nothing else tells pictures apart. A longer name fits, too: a zip may lack the folders above it.
    Folders that differ never fit, so that `102/front.jpg` is not taken for `101/front.jpg`. Only of a path that begins
    at a root or drive the last component alone may count, because those folders are a machine's.

    Each look-up takes the same time, however many pictures have the same name.
    """

    def __init__(self) -> None:
        self._pictures: dict[str, Kept] = {}
        self._readings: dict[str, str] = {}
        """By another reading of a path: the path that the picture is kept under."""
        self._ends: dict[int, dict[str, list[str]]] = {}
        """By a number of components, and by these components in lower case: up to two paths that end so."""
        self._whole: dict[str, list[str]] = {}
        """By a whole path in lower case: up to two paths. Like the ends, made when a name is no path as it stands."""

    def __getitem__(self, path: str) -> Kept:
        return self._pictures[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pictures)

    def __len__(self) -> int:
        return len(self._pictures)

    def add(self, path: FilePath, picture: Kept, others: Iterable[FilePath] = ()) -> None:
        """Keep a picture; `others` are further readings of its path.

        Raises:
            SameNameError: Another picture has the same path.
        """
        kept = str(path)
        if self._pictures.setdefault(kept, picture) != picture:
            raise SameNameError(f"two pictures are named {kept[:_SHOWN]!r}")
        self._readings.update((str(other), kept) for other in others)
        self._whole.clear()
        self._ends.clear()

    def find(self, name: str) -> Kept | None:
        """Return the picture that an item names; `None` if there is none.

        Raises:
            AmbiguousNameError: Several pictures fit equally well, and they are not the same.
        """
        for text in dict.fromkeys((name, decoded(name))):
            wanted = FilePath.of(text)
            if fitting := next((paths for paths in self._fitting(wanted) if paths), None):
                first, *more = (self._readings.get(path, path) for path in fitting)
                if more:
                    raise AmbiguousNameError(
                        f"{str(wanted)[:_SHOWN]!r} may be {first[:_SHOWN]!r} or {more[0][:_SHOWN]!r}: "
                        "name the picture's folder, too"
                    )
                return self._pictures[first]
        return None

    def elsewhere(self, name: str) -> str | None:
        """Return the path of a picture that has this name, but lies in another folder."""
        end = FilePath.of(name).folded[-1:]
        return next(iter(self._ending(end)), None) if end else None

    def _fitting(self, wanted: FilePath) -> Iterator[list[str]]:
        """Yield the paths that fit, the best first."""
        parts = wanted.folded[-_MOST_FOLDERS:]
        if not parts:
            return
        if str(wanted) in self._pictures or str(wanted) in self._readings:
            yield [str(wanted)]
        yield self._ending(parts)  # which has made `_whole`
        for shorter in range(1, len(parts)):
            yield self._whole.get("/".join(parts[shorter:]), [])
        if wanted.absolute:
            yield self._ending(parts[-1:])

    def _ending(self, parts: tuple[str, ...]) -> list[str]:
        if not self._whole:
            for path in (*self._pictures, *self._readings):
                self._note(self._whole, path.casefold(), path)
        depth = len(parts)
        if depth not in self._ends:
            ends = self._ends[depth] = {}
            for whole, paths in self._whole.items():
                end = whole.rsplit("/", depth)[-depth:]
                if len(end) == depth:
                    for path in paths:
                        self._note(ends, "/".join(end), path)
        return self._ends[depth].get("/".join(parts), [])

    def _note(self, paths: dict[str, list[str]], key: str, path: str) -> None:
        """Note a path, unless it is of the same picture as one there, or the name is ambiguous already."""
        there = paths.setdefault(key, [])
        picture = self._pictures[self._readings.get(path, path)]
        if len(there) < 2 and all(self._pictures[self._readings.get(known, known)] != picture for known in there):
            there.append(path)
