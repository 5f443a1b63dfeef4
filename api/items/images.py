"""An item's picture: kept until the request is accepted, or refused."""

from fastapi.concurrency import run_in_threadpool

from api.ingest import EMPTY, Picture, PictureRefused, SentPictures, Spool, oversize
from api.items.inline import NotInlineError, decode_base64, decode_data_url
from api.items.schemas import ImageIn
from api.items.validation import ItemError
from shared.file_names import AmbiguousNameError
from shared.settings import Settings


async def keep_picture(image: ImageIn | None, pictures: SentPictures, settings: Settings, spool: Spool) -> str | None:
    """Keep the picture that came with an item, and return the name that it will have in the blob store.

    `None`: the item has no picture, or only a link to one.

    Raises:
        ItemError: The picture cannot be accepted.
        Problem: The request's pictures are too large together.
    """
    if image is None or image.link is not None:
        return None
    if image.file is not None:
        picture = _sent(image.file, pictures)
        if isinstance(picture, PictureRefused):
            raise ItemError("/image/file", "image_refused", picture.detail)
        return picture
    pointer = "/image/base64" if image.url is None else "/image/url"
    try:
        data = decode_base64(image.base64 or "") if image.url is None else decode_data_url(image.url)
    except NotInlineError as error:
        raise ItemError(pointer, "not_base64", str(error)) from None
    limit = settings.max_image_bytes
    if not data:
        raise ItemError(pointer, "image_refused", EMPTY.detail)
    if len(data) > limit:
        raise ItemError(pointer, "image_refused", oversize(len(data), limit).detail)
    return await run_in_threadpool(spool.add, data)


def _sent(name: str, pictures: SentPictures) -> Picture:
    try:
        picture = pictures.find(name)
    except AmbiguousNameError as error:
        raise ItemError("/image/file", "file_ambiguous", str(error)) from None
    if picture is None:
        detail = f"the request has no file named {name!r}"
        if (other := pictures.elsewhere(name)) is not None:
            detail += f"; {other!r} is in another folder"
        raise ItemError("/image/file", "file_missing", detail)
    return picture
