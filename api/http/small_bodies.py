"""Bodies that are read as a whole: options, and a single item."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from api.http.body import JSON, Body
from api.http.json_text import load
from api.http.problems import Problem, invalid_request, malformed

M = TypeVar("M", bound=BaseModel)

_SMALL = 64 * 1024
"""Bytes of a body that holds options alone."""


async def json_object(request: Request, limit: int) -> dict[str, Any]:
    """The whole body as a JSON object; raises `Problem`."""
    return _object(await Body(request, limit).whole())


async def small_model(request: Request, model: type[M], *, optional: bool = False) -> M:
    """A small JSON body as the model; an optional one that is empty or `null` as the model's defaults.

    FastAPI would read a body that a route declares before it asks who is calling.

    Raises:
        Problem: the body is too large, of another media type, not JSON, or not what the model asks for.
    """
    body = Body(request, _SMALL)
    text = await body.whole()
    if optional and bytes(text).strip() in (b"", b"null"):
        return model()
    if body.media_type != JSON:
        raise unsupported(body.media_type, [JSON])
    try:
        return model.model_validate(_object(text))
    except ValidationError as error:
        raise invalid_request([{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors()]) from error


def unsupported(media_type: str, accepted: Sequence[str]) -> Problem:
    """What to answer to a body of another media type than these."""
    known = " or ".join(filter(None, [", ".join(accepted[:-1]), accepted[-1]]))
    detail = f"The media type {media_type} is not accepted: send {known}."
    return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)


def _object(text: bytearray) -> dict[str, Any]:
    document = load(text, "the body")
    if not isinstance(document, dict):
        raise malformed("the body must be a JSON object")
    return document
