"""An item's picture: kept until the request is accepted, or refused."""

import base64
from collections.abc import Mapping

from fastapi.concurrency import run_in_threadpool

from api.ingest import EMPTY, Picture, PictureRefused, Spool, oversize
from api.items.schemas import ImageIn
from api.items.validation import ItemError
from shared.settings import Settings


async def keep_picture(
    image: ImageIn | None, pictures: Mapping[str, Picture], settings: Settings, spool: Spool
) -> str | None:
    """Keep the picture that came with an item, and return the name that it will have in the blob store.

    `None`: the item has no picture, or only a URL.

    Raises:
        ItemError: The picture cannot be accepted.
        Problem: The request's pictures are too large together.
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
    return await run_in_threadpool(spool.add, data)


def _decode_base64(text: str) -> bytes:
    content = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as error:
        raise ItemError("/image/base64", "not_base64", f"not base64: {error}") from None
