"""The bodies of a request for a job, for OpenAPI: the routes read them as a stream, so FastAPI cannot see them."""

import json
from typing import Any

from api import ingest
from api.http.openapi import described, in_query, ref
from api.items.schemas import ItemIn, only_if
from api.jobs.schemas import JobIn, JobOptions

_OPTIONS = described(JobOptions)
_OPTIONS["metadata"]["schema"] = {
    "description": _OPTIONS["metadata"]["description"],
    "type": "string",
    "contentMediaType": "application/json",
    "contentSchema": _OPTIONS["metadata"]["schema"]["anyOf"][0],
}
"""Outside a JSON body it is an object in JSON, as a text."""

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
                    "description": "Columns id, title, description and image (a URL), separated by commas, semicolons, "
                    "tabs or vertical bars. Further columns are your own: they come back with the results.",
                },
                "example": _TABLE,
            },
            ingest.MULTIPART: {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "items": {
                            "type": "string",
                            "description": "NDJSON, JSON, or a file whose name ends in .csv. An item's `image.file` "
                            "names one of the pictures sent. May be left out if a zip among `images` has one table.",
                        },
                        "images": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "Pictures, or .zip files of pictures, with or without folders, and perhaps "
                            "with the table.",
                        },
                        **{name: option["schema"] for name, option in _OPTIONS.items()},
                    },
                    **only_if({"anyOf": [{"required": ["items"]}, {"required": ["images"]}]}),
                },
                "example": {"items": json.dumps(_ITEM)},
            },
        },
    },
    "parameters": in_query(_OPTIONS),
}
