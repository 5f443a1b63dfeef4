"""What FastAPI cannot see: request bodies, because the routes read them as a stream, and answers that are raised."""

import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import ingest
from api.idempotency import REPLAYED
from api.label_schemas import LabelIn, LabelOptions, LabelsIn
from api.problems import MEDIA_TYPE
from api.schemas import ItemIn, JobIn, JobOptions, PredictIn, ProblemOut


def _described(options: type[BaseModel]) -> dict[str, Any]:
    properties = options.model_json_schema()["properties"].items()
    return {name: {"schema": schema, "description": schema["description"]} for name, schema in properties}


_OPTIONS = _described(JobOptions)

_REF = "#/components/schemas/"
_MODELS = (JobIn, ItemIn, PredictIn, ProblemOut, LabelIn, LabelsIn)

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


def describe_models(app: FastAPI) -> None:
    """Add the models to the document's components."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        _, schemas = models_json_schema([(model, "validation") for model in _MODELS], ref_template=_REF + "{model}")
        document["components"]["schemas"].update(schemas["$defs"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _in_query(options: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "required": False, **option} for name, option in options.items()]


_ITEM = {"id": "sku-1", "title": "Piscine gonflable ronde 3 m"}
_TABLE = "id,title,image\nsku-1,Piscine gonflable ronde 3 m,https://shop.example/piscine.jpg\n"

JOB_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            ingest.JSON: {"schema": ref(JobIn), "example": {"items": [_ITEM]}},
            ingest.NDJSON: {"schema": ref(ItemIn), "example": _ITEM},
            ingest.CSV: {
                "schema": {
                    "type": "string",
                    "description": "Columns id, title, description, image (a URL), separated by commas or semicolons",
                },
                "example": _TABLE,
            },
            ingest.MULTIPART: {
                "schema": {
                    "type": "object",
                    "required": ["items"],
                    "additionalProperties": False,
                    "properties": {
                        "items": {
                            "type": "string",
                            "description": "NDJSON, JSON, or a file whose name ends in .csv; an item's image.file "
                            "names a picture sent along",
                        },
                        "images": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "Pictures, or .zip files of pictures",
                        },
                        **{name: option["schema"] for name, option in _OPTIONS.items()},
                    },
                },
                "example": {"items": json.dumps(_ITEM)},
            },
        },
    },
    "parameters": _in_query(_OPTIONS),
}

_LABEL = {"job_id": "66f2a0d1c3b4e5f601234567", "item_id": "sku-1", "code": 2583, "by": "anna"}

LABEL_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            ingest.JSON: {"schema": ref(LabelsIn), "example": {"labels": [_LABEL]}},
            ingest.NDJSON: {"schema": ref(LabelIn), "example": _LABEL},
            ingest.CSV: {
                "schema": {"type": "string", "description": f"Columns of {', '.join(ingest.LABELS.columns)}"},
                "example": "title,code,by\nPiscine gonflable ronde 3 m,2583,anna\n",
            },
        },
    },
    "parameters": _in_query(_described(LabelOptions)),
}

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
