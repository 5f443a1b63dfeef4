"""Pictures by URL, each fetched once and kept in a folder under the hash of its URL.

A server is reached by the guarded connection of clients' pictures: the tables of a catalogue may name any address.
"""

import logging
from collections import Counter
from hashlib import sha256
from pathlib import Path
from threading import Lock
from uuid import uuid4

from shared.model.images import decode
from shared.network.fetching import Fetch, FetchError, MissingError, whole
from shared.network.outbound import OutboundClient
from shared.network.urls import UnusableURLError, WebUrl, holds_data, listed
from shared.settings import get_settings

_TIMEOUT_S = 30
"""For one picture, with redirects and further tries."""
_PATIENCE = 20
"""Failures in a row after which a host is asked no more by this process."""

log = logging.getLogger(__name__)


class FetchedPictures:
    """A folder of fetched pictures; several threads may use it at once.

    A picture that is there is never fetched again: remove its file, or the folder, to have it fetched again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._limit = get_settings().max_image_bytes
        self._client = OutboundClient(get_settings().allowed_networks)
        self._failures: Counter[str] = Counter()
        """In a row, by host."""
        self._lock = Lock()

    def read(self, urls: str) -> bytes:
        """Return the picture at a URL, or at the first of several in one cell that gives one.

        Raises:
            FileNotFoundError: None gives one; the message says why.
            UnreadableImageError: What was fetched is no picture; it is not kept.
            OSError: The disk is full, or this machine lacks something else.
        """
        file = self.file_of(urls)
        try:
            return file.read_bytes()
        except FileNotFoundError:
            pass
        data = self._fetched(listed(urls))
        decode(data)
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f"{file.name}.{uuid4().hex}")
        unfinished.write_bytes(data)
        unfinished.rename(file)
        return data

    def file_of(self, urls: str) -> Path:
        """Return where the picture is kept, or would be."""
        name = sha256(" ".join(listed(urls)).encode()).hexdigest()
        return self._folder / name[:2] / name

    def _fetched(self, urls: list[str]) -> bytes:
        asked = [url for url in urls if not self._is_given_up(_host(url))]
        if not asked:
            raise FileNotFoundError(f"not asked: its host has failed {_PATIENCE} times in a row")
        fetching = Fetch(self._client, asked, max_bytes=self._limit, timeout_s=_TIMEOUT_S)
        try:
            data = whole(fetching)
        except FetchError as error:
            if not isinstance(error, MissingError):
                self._note_failure(asked)
            raise FileNotFoundError(str(error)) from error
        with self._lock:
            for url in asked:
                self._failures.pop(_host(url), None)
        return data

    def _is_given_up(self, host: str) -> bool:
        with self._lock:
            return self._failures[host] >= _PATIENCE

    def _note_failure(self, urls: list[str]) -> None:
        with self._lock:
            for host in {_host(url) for url in urls}:
                self._failures[host] += 1
                if self._failures[host] == _PATIENCE:
                    log.warning("A host of pictures has failed %d times in a row; it is asked no more.", _PATIENCE)


def mark_of(urls: str) -> str:
    """Return a name for a listing: it shows no part of the URL that may be secret."""
    first = listed(urls)[0]
    return f"{_host(first) or 'data'} {sha256(urls.encode(errors='replace')).hexdigest()[:12]}"


def _host(url: str) -> str:
    try:
        return "" if holds_data(url) else WebUrl.read(url).host
    except UnusableURLError:
        return ""
