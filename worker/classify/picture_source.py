"""Reads the pictures of items from the blob store or from their URLs."""

from shared.ledger import QueuedItem
from shared.network.outbound import FetchError, fetch, outbound_client
from shared.settings import Settings
from shared.stores.blobs import BlobNotFoundError, Blobs


class PictureError(Exception):
    """The picture cannot be used; holds a stable code and a human-readable message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PictureSource:
    """The encoded pictures of items."""

    def __init__(self, settings: Settings, blobs: Blobs) -> None:
        self._blobs = blobs
        self._max_bytes = settings.max_image_bytes
        self._timeout_s = settings.image_timeout_s
        self._http = outbound_client(timeout_s=settings.image_timeout_s, allowed=settings.allowed_networks, redirects=3)

    def picture(self, item: QueuedItem) -> bytes:
        """Return the encoded picture of an item that has one; raises `PictureError`."""
        if item.blob is not None:
            try:
                return self._blobs.get(item.blob)
            except BlobNotFoundError:
                raise PictureError("image_lost", "the picture is no longer in the blob store: send it again") from None
        try:
            return fetch(self._http, item.url or "", max_bytes=self._max_bytes, timeout_s=self._timeout_s)
        except FetchError as error:
            raise PictureError("image_unreachable", str(error)) from error
