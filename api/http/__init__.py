"""HTTP as every route needs it: problem documents, idempotency keys, request ids, events, long polling, OpenAPI."""

__all__ = [
    "callers",
    "held_requests",
    "idempotency",
    "long_poll",
    "openapi",
    "problems",
    "query_parameters",
    "renewal",
    "request_ids",
    "response_headers",
    "server_sent_events",
]
