"""Reading files by their place: a folder, a URL of any store that fsspec knows, or a web server.

A web server is reached by the guarded connection of clients' pictures: the server that the operator has named may
answer with a redirect, and that must not lead into the private network. `CATALOG_ALLOWED_NETWORKS` names the private
networks that may be reached.

The messages say where and of what kind a fault is. They quote nothing that was read, because the log of a training is
shown to the client who asked for it.
"""

import os
import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Protocol

from fsspec import available_protocols
from fsspec.core import split_protocol, url_to_fs

from shared.network.fetching import FetchError, MissingError, fetch, fetch_headers
from shared.network.outbound import OutboundClient
from shared.settings import get_settings

_LONGEST_S = 600
_ASKED_AT_ONCE = 16
"""Requests for the headers of a web server's files that run side by side."""
_MOST_BYTES = 8 * 1024**3
_PIECE = 1024**2
MOST_FILES = 5_000_000
"""Files in a folder and below it."""

_LONGEST_MARK = 100
"""In characters; of a longer one, which only a strange server sends, the hash is kept."""
_HASHES = ("md5Hash", "ETag", "etag", "md5", "sha", "CRC")
_TIMES = ("mtime", "LastModified", "last_modified", "modified", "updated", "modify", "created")
"""What the stores that fsspec knows call the hash of a file's content, and the time of its last change."""


class PlaceError(RuntimeError):
    """The kind of fault for which a place cannot be read, without anything that was read."""


class Folder(Protocol):
    """A folder in any place. Each method raises `PlaceError` if the place cannot be read."""

    is_listed: bool
    """Whether the place tells which files there are; a web server tells it of none."""

    def read(self, name: str) -> bytes:
        """Return the file of this name; raises `FileNotFoundError`."""

    def open(self, name: str) -> IO[bytes]:
        """Open the file of this name, in which the reader may seek; raises `FileNotFoundError`."""

    def marks(self, folder: str, names: Collection[str]) -> dict[str, str]:
        """Return a mark of each of these files of a folder below this one, without those that are not there.

        A file that has changed has another mark: its hash or ETag, or size and time. No file is read if the place
        tells one of these.
        """

    def names(self) -> list[str]:
        """Return the names of the files directly in it, sorted; none where `is_listed` is false."""

    def tree(self) -> dict[str, str]:
        """Return the marks of all files in it and below it, by their paths from here.

        None where `is_listed` is false. Raises `PlaceError` if there are more than `MOST_FILES`.
        """


def folder(place: str) -> Folder:
    """Open a folder.

    Raises:
        PlaceError: The protocol is unknown, its package is not installed, or the store cannot be opened.
    """
    return _WebFolder(place) if _is_web(place) else _StoreFolder(place)


class _WebFolder:
    is_listed = False

    def __init__(self, place: str) -> None:
        self._client = _client()
        self._url = place.rstrip("/")

    def read(self, name: str) -> bytes:
        return _fetched(self._client, f"{self._url}/{name}")

    def open(self, name: str) -> IO[bytes]:
        return BytesIO(self.read(name))

    def names(self) -> list[str]:
        return []

    def tree(self) -> dict[str, str]:
        return {}

    def marks(self, folder: str, names: Collection[str]) -> dict[str, str]:
        """A web server lists nothing, so it is asked for each file."""
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            above = f"{folder}/" if folder else ""
            found = zip(names, pool.map(lambda name: self._mark(above + name), names), strict=True)
            return {name: mark for name, mark in found if mark is not None}

    def _mark(self, name: str) -> str | None:
        try:
            headers = fetch_headers(self._client, f"{self._url}/{name}", timeout_s=_LONGEST_S)
            if mark := _mark_in(headers, ("ETag",), "Content-Length", ("Last-Modified",)):
                return mark
        except MissingError:
            return None
        except FetchError:
            pass  # some servers refuse HEAD
        try:
            return content_mark(self.read(name))
        except FileNotFoundError:
            return None


class _StoreFolder:
    is_listed = True

    def __init__(self, place: str) -> None:
        self._files, root = _opened(place)
        self._root = root.rstrip("/")

    def read(self, name: str) -> bytes:
        return _content(self._files, f"{self._root}/{name}")

    def open(self, name: str) -> IO[bytes]:
        try:
            file: IO[bytes] = self._files.open(f"{self._root}/{name}", "rb")
        except FileNotFoundError:
            raise
        except Exception as error:
            raise PlaceError(kind_of(error)) from error
        return file

    def names(self) -> list[str]:
        return sorted(_last(info["name"]) for info in self._listed(self._root) if not _is_folder(info))

    def tree(self) -> dict[str, str]:
        found: dict[str, str] = {}
        pending, seen = [self._root], set[str]()
        while pending:
            folder = pending.pop()
            if (real := os.path.realpath(folder)) in seen:  # a link may lead back to where it lies
                continue
            seen.add(real)
            for info in self._listed(folder):
                if _is_folder(info):
                    pending.append(info["name"].rstrip("/"))
                else:
                    found[self._below(info["name"])] = self._mark(info)
                if len(found) + len(pending) > MOST_FILES:
                    raise PlaceError(f"over {MOST_FILES:,} files are in the folder and below it")
        return dict(sorted(found.items()))

    def _below(self, path: str) -> str:
        return path[len(self._root) :].strip("/") if path.startswith(self._root) else path.strip("/")

    def marks(self, folder: str, names: Collection[str]) -> dict[str, str]:
        wanted = frozenset(names)
        found = ((_last(info["name"]), info) for info in self._listed(f"{self._root}/{folder}"))
        return {name: self._mark(info) for name, info in found if name in wanted and info["type"] != "directory"}

    def _listed(self, path: str) -> list[dict[str, Any]]:
        try:
            self._files.invalidate_cache()
            listed: list[dict[str, Any]] = self._files.ls(path, detail=True)
        except FileNotFoundError:
            return []
        except Exception as error:
            raise PlaceError(kind_of(error)) from error
        return listed

    def _mark(self, info: Mapping[str, Any]) -> str:
        if info.get("islink"):  # the times are the link's own
            try:
                target = Path(info["name"]).stat()
            except OSError as error:
                raise PlaceError(kind_of(error)) from error
            return f"{target.st_size} {target.st_mtime}"
        return _mark_in(info, _HASHES, "size", _TIMES) or content_mark(_content(self._files, info["name"]))


def parted(place: str) -> tuple[str, str]:
    """Return the folder of a file, and the file's name in it; a query of a web server's URL stays with the name."""
    first, chained, others = place.partition("::")
    path, mark, query = first.partition("?") if _is_web(place) else (first, "", "")
    protocol, sign, path = path.rpartition("://")
    above, slash, name = path.rpartition("/")
    if not protocol and not above:
        above = slash or "."
    return protocol + sign + above + chained + others, name + mark + query


def read(place: str) -> bytes:
    """Return one file.

    Raises:
        FileNotFoundError: There is no such file.
        PlaceError: It cannot be read.
    """
    return _fetched(_client(), place) if _is_web(place) else _content(*_opened(place))


def content_mark(data: bytes) -> str:
    """Return the mark of a file that has been read."""
    return mark_of_file(BytesIO(data))


def mark_of_file(file: IO[bytes]) -> str:
    """Return the same of an open file, which is read in pieces."""
    digest = sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return f"sha256 {digest.hexdigest()}"


def kind_of(error: Exception) -> str:
    """Describe the fault without the error's own message, which may quote what was read."""
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return os.strerror(error.errno)
    return type(error).__name__


def _mark_in(facts: Mapping[str, Any], hashes: Collection[str], size: str, times: Collection[str]) -> str | None:
    """Return the first hash, or else size and time; `None` if there is neither."""
    if mark := next((str(facts[name]) for name in hashes if facts.get(name)), None):
        return mark if len(mark) <= _LONGEST_MARK else content_mark(mark.encode())
    time = next((facts[name] for name in times if facts.get(name)), None)
    return None if time is None else f"{facts.get(size)} {time}"


def _is_folder(info: Mapping[str, Any]) -> bool:
    return info["type"] == "directory" or (bool(info.get("islink")) and Path(info["name"]).is_dir())


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _is_web(place: str) -> bool:
    return place.lower().startswith(("http://", "https://"))


def _client() -> OutboundClient:
    return OutboundClient(get_settings().allowed_networks)


def _fetched(client: OutboundClient, url: str) -> bytes:
    try:
        return fetch(client, url, max_bytes=_MOST_BYTES, timeout_s=_LONGEST_S)
    except MissingError as error:
        raise FileNotFoundError(url) from error
    except FetchError as error:
        # The place is named beside this message, without a signature that its query may hold.
        raise PlaceError(re.sub(r"https?://\S+", "the server", str(error), flags=re.IGNORECASE)) from error


def _opened(place: str) -> tuple[Any, str]:
    protocol, _ = split_protocol(place)
    if protocol is not None and protocol not in available_protocols():
        raise PlaceError(f"the protocol {protocol} is not known")
    try:
        # With each store's own number of connections (S3's is 10): readers in more threads take turns, without a limit.
        files, root = url_to_fs(place)
    except ImportError as error:  # names the package to install
        raise PlaceError(str(error)) from error
    except Exception as error:  # every backend of fsspec has its own
        raise PlaceError(kind_of(error)) from error
    return files, root


def _content(files: Any, path: str) -> bytes:
    try:
        data: bytes = files.cat_file(path)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise PlaceError(kind_of(error)) from error
    return data
