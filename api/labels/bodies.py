"""The bodies of a request that brings labels, for OpenAPI: FastAPI cannot see what is read as a stream."""

from typing import Any

from api import ingest
from api.http.openapi import described, in_query, ref
from api.labels.listing import LABELS
from api.labels.schemas import LabelIn, LabelOptions, LabelsIn

_LABEL = {"job_id": "66f2a0d1c3b4e5f601234567", "item_id": "sku-1", "code": 2583, "by": "anna"}

LABEL_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            ingest.JSON: {"schema": ref(LabelsIn), "example": {"labels": [_LABEL]}},
            ingest.NDJSON: {"schema": ref(LabelIn), "example": _LABEL},
            ingest.CSV: {
                "schema": {"type": "string", "description": f"Columns {', '.join(LABELS.columns)}"},
                "example": "title,code,by\nPiscine gonflable ronde 3 m,2583,anna\n",
            },
        },
    },
    "parameters": in_query(described(LabelOptions)),
}
