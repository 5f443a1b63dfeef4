"""Reading files by their place: a folder, a URL of any store that fsspec knows, or a web server.

A web server is reached by the guarded connection of clients' pictures: the server that the operator has named may
answer with a redirect, and that must not lead into the private network. `CATALOG_ALLOWED_NETWORKS` names the private
networks that may be reached.

The messages say where and of what kind a fault is. They quote nothing that was read, because the log of a training is
shown to the client who asked for it.
"""

import os
import re
from collections.abc import Callable
from typing import Any

from fsspec import available_protocols
from fsspec.core import split_protocol, url_to_fs
from httpx import Client

from shared.network.outbound import FetchError, MissingError, fetch, outbound_client
from shared.settings import get_settings

Read = Callable[[str], bytes]
"""Returns the file of this name; raises `FileNotFoundError` and `PlaceError`."""

_LONGEST_S = 600
_MOST_BYTES = 8 * 1024**3
_REDIRECTS = 3


class PlaceError(RuntimeError):
    """The kind of fault for which a place cannot be read, without anything that was read."""


def folder(place: str) -> Read:
    """Return the function that reads the folder's files.

    Raises:
        PlaceError: The protocol is unknown, its package is not installed, or the store cannot be opened.
    """
    if _is_web(place):
        client = _client()
        return lambda name: _fetched(client, f"{place.rstrip('/')}/{name}")
    files, root = _opened(place)
    return lambda name: _content(files, f"{root.rstrip('/')}/{name}")


def read(place: str) -> bytes:
    """Return one file.

    Raises:
        FileNotFoundError: There is no such file.
        PlaceError: It cannot be read.
    """
    return _fetched(_client(), place) if _is_web(place) else _content(*_opened(place))


def kind_of(error: Exception) -> str:
    """Describe the fault without the error's own message, which may quote what was read."""
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return os.strerror(error.errno)
    return type(error).__name__


def _is_web(place: str) -> bool:
    return place.lower().startswith(("http://", "https://"))


def _client() -> Client:
    return outbound_client(timeout_s=_LONGEST_S, allowed=get_settings().allowed_networks, redirects=_REDIRECTS)


def _fetched(client: Client, url: str) -> bytes:
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
