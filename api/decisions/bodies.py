"""The bodies of a request that brings decisions, for OpenAPI: FastAPI cannot see what is read as a stream."""

from typing import Any

from api import ingest
from api.decisions.listing import DECISIONS
from api.decisions.schemas import DecisionIn, DecisionsIn
from api.http.openapi import ref

_DECISION = {"job_id": "66f2a0d1c3b4e5f601234567", "index": 0, "category": "2583", "by": "anna", "took_ms": 2400}

DECISION_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            ingest.JSON: {"schema": ref(DecisionsIn), "example": {"decisions": [_DECISION]}},
            ingest.NDJSON: {"schema": ref(DecisionIn), "example": _DECISION},
            ingest.CSV: {
                "schema": {"type": "string", "description": f"Columns {', '.join(DECISIONS.columns)}"},
                "example": "job_id,index,category,by\n66f2a0d1c3b4e5f601234567,0,2583,anna\n",
            },
        },
    },
}
