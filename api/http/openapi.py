"""What FastAPI cannot see: request bodies, because the routes read them as a stream, and answers that are raised."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.http.idempotency import REPLAYED
from api.http.problems import MEDIA_TYPE, ProblemOut


def described(options: type[BaseModel]) -> dict[str, Any]:
    properties = options.model_json_schema()["properties"].items()
    return {name: {"schema": schema, "description": schema["description"]} for name, schema in properties}


_REF = "#/components/schemas/"

_MEANINGS = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read.",
    HTTPStatus.UNAUTHORIZED: "There is no API key, or it is not valid.",
    HTTPStatus.FORBIDDEN: "The key lacks the scope; or there is no key at all, and the caller is on another machine.",
    HTTPStatus.NOT_FOUND: "There is no such job, or it is another tenant's.",
    HTTPStatus.CONFLICT: "Not in the job's state, or while the first request with this Idempotency-Key is worked on.",
    HTTPStatus.GONE: "The results are no longer kept.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body or a part of it is too large, or it holds too many items.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body has none of the media types above.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Something in the request is wrong; `errors` names each place.",
    HTTPStatus.TOO_MANY_REQUESTS: "The key's rate limit is used up.",
    HTTPStatus.SERVICE_UNAVAILABLE: "A store is away, or too much waits already: nothing was accepted.",
    HTTPStatus.GATEWAY_TIMEOUT: "No worker has answered in time.",
    HTTPStatus.INSUFFICIENT_STORAGE: "The store for pictures is full.",
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
_COME_AGAIN = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def ref(model: type) -> dict[str, str]:
    """A reference to one of the models that `describe_models` adds."""
    return {"$ref": _REF + model.__name__}


def problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route may answer with, as FastAPI's `responses`."""
    content = {MEDIA_TYPE: {"schema": ref(ProblemOut)}}
    answers: dict[int | str, dict[str, Any]] = {}
    for status in sorted(statuses):
        answers[int(status)] = {"description": _MEANINGS[status], "content": content}
        if status in _COME_AGAIN:
            answers[int(status)]["headers"] = _RETRY_AFTER
    return answers


CLOSED = problems(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""What every route that is not open to all may answer with."""


def describe_models(app: FastAPI, models: Iterable[type[BaseModel]]) -> None:
    """Add the models, which routes only refer to, to the document's components."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_REF + "{model}")
        document["components"]["schemas"].update(schemas["$defs"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def in_query(options: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "required": False, **option} for name, option in options.items()]


ACCEPTED: dict[int | str, dict[str, Any]] = {
    HTTPStatus.ACCEPTED: {
        "headers": {
            "Location": {"description": "The job", "schema": {"type": "string"}},
            **_RETRY_AFTER,
            REPLAYED: {
                "description": "`true` where an earlier request with this Idempotency-Key had the effect",
                "schema": {"type": "string"},
            },
        }
    }
}
"""The answer of a route that makes a job."""
