"""The request bodies that FastAPI cannot see, because the routes read them as a stream."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from api.schemas import ItemIn, JobIn, PredictIn

_REF = "#/components/schemas/"
_MODELS = (JobIn, ItemIn, PredictIn)


def ref(model: type) -> dict[str, str]:
    """A reference to one of the models that `describe_bodies` adds."""
    return {"$ref": _REF + model.__name__}


def describe_bodies(app: FastAPI) -> None:
    """Add the models to the document's components."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        _, schemas = models_json_schema([(model, "validation") for model in _MODELS], ref_template=_REF + "{model}")
        document["components"]["schemas"].update(schemas["$defs"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way
