"""Reads the pictures of items from the blob store or from their URLs."""

from collections.abc import Callable
from functools import partial

from shared.ledger import QueuedItem
from shared.network.fetching import Fetch, FetchError, Turns
from shared.network.outbound import OutboundClient
from shared.network.urls import listed
from shared.settings import Settings
from shared.stores.blobs import BlobNotFoundError, Blobs


class PictureError(Exception):
    """The picture cannot be used; holds a stable code and a human-readable message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PictureSource:
    """The encoded pictures of items.

    Args:
        turns: Bounds the requests to one host.
    """

    def __init__(self, settings: Settings, blobs: Blobs, turns: Turns | None = None) -> None:
        self._blobs = blobs
        self._max_bytes = settings.max_image_bytes
        self._timeout_s = settings.image_timeout_s
        self._turns = turns
        self._http = OutboundClient(settings.allowed_networks)

    def opened(self, item: QueuedItem) -> Callable[[], bytes | float]:
        """A function that reads the picture of an item that has one.

        It returns the encoded picture, or the seconds after which to call it again. It raises `PictureError`, and
        `OSError` if the store cannot be reached or this machine lacks something.
        """
        if item.blob is not None:
            return partial(self._stored, item.blob)
        urls = listed(item.url or "")
        fetch = Fetch(self._http, urls, max_bytes=self._max_bytes, timeout_s=self._timeout_s, turns=self._turns)
        return partial(_fetched, fetch)

    def _stored(self, sha256: str) -> bytes:
        try:
            return self._blobs.get(sha256)
        except BlobNotFoundError:
            raise PictureError("image_lost", "the picture is no longer in the blob store: send it again") from None


def _fetched(fetch: Fetch) -> bytes | float:
    try:
        return fetch.go_on()
    except FetchError as error:
        raise PictureError("image_unreachable", str(error)) from error
