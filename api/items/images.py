"""An item's picture: put into the blob store, or refused."""

import base64
from collections.abc import Mapping

from fastapi.concurrency import run_in_threadpool

from api.ingest import EMPTY, Picture, PictureRefused, oversize
from api.items.schemas import ImageIn
from api.items.validation import ItemError
from shared.settings import Settings
from shared.stores.blobs import Blobs


async def keep_picture(
    image: ImageIn | None, pictures: Mapping[str, Picture], settings: Settings, blobs: Blobs
) -> str | None:
    """Store the picture that came with an item, and return its name in the blob store; raises `ItemError`.

    `None`: the item has no picture, or only a URL.
    """
    if image is None or image.url is not None:
        return None
    if image.file is not None:
        picture = pictures.get(image.file)
        if picture is None:
            raise ItemError("/image/file", "file_missing", f"the request has no file named {image.file!r}")
        if isinstance(picture, PictureRefused):
            raise ItemError("/image/file", "image_refused", picture.detail)
        return picture
    data = _decode_base64(image.base64 or "")
    limit = settings.max_image_bytes
    if not data:
        raise ItemError("/image/base64", "image_refused", EMPTY.detail)
    if len(data) > limit:
        raise ItemError("/image/base64", "image_refused", oversize(len(data), limit).detail)
    return await run_in_threadpool(blobs.put, data)


def _decode_base64(text: str) -> bytes:
    content = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as error:
        raise ItemError("/image/base64", "not_base64", f"not base64: {error}") from None
