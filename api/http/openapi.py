"""What FastAPI cannot see: request bodies, because the routes read them as a stream, and answers that are raised."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.http.codings import ACCEPTED as CODINGS
from api.http.idempotency import REPLAYED
from api.http.problems import MEDIA_TYPE, ProblemOut


def described(options: type[BaseModel]) -> dict[str, Any]:
    properties = options.model_json_schema()["properties"].items()
    return {name: {"schema": schema, "description": schema["description"]} for name, schema in properties}


_REF = "#/components/schemas/"

_MEANINGS = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read.",
    HTTPStatus.UNAUTHORIZED: "The API key is missing or not valid.",
    HTTPStatus.FORBIDDEN: "The key lacks the scope, or no API key exists yet and the caller is on another machine.",
    HTTPStatus.NOT_FOUND: "There is no such job, training or model, or it belongs to another tenant.",
    HTTPStatus.CONFLICT: "The current state does not allow this, or the first request with this Idempotency-Key is "
    "still being processed.",
    HTTPStatus.GONE: "What is asked for is no longer kept.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body or a part of it is too large, or it holds too many items.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The request's path and query are too long.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body's media type is not one of those listed, or it is in a charset or a "
    "Content-Encoding that the service does not read.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Something in the request is wrong; `errors` names each place.",
    HTTPStatus.PRECONDITION_FAILED: "Another taxonomy is in force than `If-Match` names; `ETag` names that one.",
    HTTPStatus.PRECONDITION_REQUIRED: "The request needs the header `If-Match`.",
    HTTPStatus.TOO_MANY_REQUESTS: "The key's rate limit, or a quota of its tenant, is used up.",
    HTTPStatus.SERVICE_UNAVAILABLE: "A store cannot be reached or is full, or the queue is; `detail` says what to do.",
    HTTPStatus.GATEWAY_TIMEOUT: "No worker answered in time.",
    HTTPStatus.INSUFFICIENT_STORAGE: "The store for pictures is full.",
}
_RETRY_AFTER = {
    "Retry-After": {"description": "After how many seconds to send the request again.", "schema": {"type": "integer"}}
}
_CODINGS = {
    "Accept-Encoding": {
        "description": f"`{CODINGS}`, if the body has another Content-Encoding.",
        "schema": {"type": "string"},
    }
}
_BODY = "May be compressed with gzip: say so with `Content-Encoding: gzip`."
_COME_AGAIN = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def ref(model: type) -> dict[str, str]:
    """A reference to one of the models that `complete_document` adds."""
    return {"$ref": _REF + model.__name__}


def small_body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads a small JSON body itself, after it knows who is calling."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": ref(model)}}}}


def problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route may answer with, as FastAPI's `responses`."""
    content = {MEDIA_TYPE: {"schema": ref(ProblemOut)}}
    answers: dict[int | str, dict[str, Any]] = {}
    for status in sorted(statuses):
        answers[int(status)] = {"description": _MEANINGS[status], "content": content}
        if status in _COME_AGAIN:
            answers[int(status)]["headers"] = _RETRY_AFTER
        if status is HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            answers[int(status)]["headers"] = _CODINGS
    return answers


CLOSED = problems(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""What every route that is not open to all may answer with."""


UPLOADS = problems(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.INSUFFICIENT_STORAGE,
)
"""What a route that takes items in bulk may answer with, beside those."""

SMALL_BODY = problems(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
"""What a route with a `small_body` may answer with, beside those."""

OPEN = problems(HTTPStatus.UNPROCESSABLE_ENTITY)
"""What routes that are open to all may answer with."""

TAGS = [
    {"name": "jobs", "description": "Send items in bulk or one at a time, follow the work and read the results."},
    {"name": "trainings", "description": "Train a model on the catalogue and the labels, and judge it."},
    {"name": "labels", "description": "Say what items really are, so that trainings learn from it."},
    {"name": "decisions", "description": "Decide about results that need a review, and follow what was decided."},
    {"name": "review", "description": "Take the next items that need a review, each for one person at a time."},
    {"name": "models", "description": "See which models there are and choose the one that serves."},
    {"name": "taxonomy", "description": "See which categories there are, and change them."},
    {"name": "promise", "description": "See how precise accepted answers are, and from where on they are accepted."},
    {"name": "drift", "description": "See how far items and answers have moved from those of the validation split."},
    {"name": "quota", "description": "See how much the caller may have waiting and stored."},
    {"name": "metrics", "description": "Read metrics for Prometheus."},
    {"name": "health", "description": "See whether the service works."},
    {"name": "webhooks", "description": "Requests that the service sends to the URLs named by its callers."},
]


def operation_id(route: APIRoute) -> str:
    """`subject-verb`, such as `jobs-list-results`: stable, and a good name for a generated method."""
    verb = route.name.strip("_").replace("_", "-")
    return f"{route.tags[0]}-{verb}" if route.tags else verb


def complete_document(app: FastAPI, models: Iterable[type[BaseModel]]) -> None:
    """Add the models that routes only refer to, and put what FastAPI generates into a form that everybody can read."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_REF + "{model}")
            document["components"]["schemas"].update(schemas["$defs"])
            for body in _request_bodies(document):
                body["description"] = _BODY
            for item in (*document["paths"].values(), *document.get("webhooks", {}).values()):
                for operation in item.values():
                    _summarise(operation)
                    _without_item_schema(operation)
        assert app.openapi_schema is not None  # noqa: S101  # `generate` has set it
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _request_bodies(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those that the service takes; it sends those of webhooks."""
    for item in document["paths"].values():
        for operation in item.values():
            if "requestBody" in operation:
                yield operation["requestBody"]


def _summarise(operation: dict[str, Any]) -> None:
    """A route's docstring begins with one sentence, which is its summary; the rest describes it."""
    summary, _, rest = operation["description"].partition("\n\n")
    operation["summary"] = " ".join(summary.split())
    operation.pop("description")
    if rest:
        operation["description"] = rest


def _without_item_schema(operation: dict[str, Any]) -> None:
    """Describe an event as `schema`: `itemSchema` is OpenAPI 3.2, and generators refuse it in a document of 3.1."""
    for response in operation["responses"].values():
        for content in response.get("content", {}).values():
            if item := content.pop("itemSchema", None):
                content["schema"] = {**item, "description": "One server-sent event; its `data` is JSON."}


def in_query(options: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "required": False, **option} for name, option in options.items()]


ACCEPTED: dict[int | str, dict[str, Any]] = {
    HTTPStatus.ACCEPTED: {
        "headers": {
            "Location": {
                "description": "The URL of the job or training that was created.",
                "schema": {"type": "string"},
            },
            **_RETRY_AFTER,
            REPLAYED: {
                "description": "`true` if this repeats the answer to an earlier request with this Idempotency-Key.",
                "schema": {"type": "string"},
            },
        }
    }
}
"""The answer of a route that makes a job."""
