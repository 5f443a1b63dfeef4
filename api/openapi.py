"""The request bodies that FastAPI cannot see, because the routes read them as a stream."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from api.schemas import ItemIn, JobIn, JobOptions, PredictIn

_OPTIONS = {
    name: {"schema": schema, "description": schema["description"]}
    for name, schema in JobOptions.model_json_schema()["properties"].items()
}

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


JOB_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": ref(JobIn)},
            "application/x-ndjson": {"schema": ref(ItemIn)},
            "text/csv": {
                "schema": {
                    "type": "string",
                    "description": "Columns id, title, description, image (a URL), separated by commas or semicolons",
                }
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["items"],
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
                }
            },
        },
    },
    "parameters": [{"name": name, "in": "query", "required": False, **option} for name, option in _OPTIONS.items()],
}
