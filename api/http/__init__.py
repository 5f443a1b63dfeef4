"""HTTP as every route needs it: connections, bodies, problem documents, idempotency keys, events, OpenAPI."""

__all__ = [
    "body",
    "callers",
    "cors",
    "held_requests",
    "idempotency",
    "json_text",
    "languages",
    "long_poll",
    "methods",
    "notices",
    "openapi",
    "problems",
    "query_parameters",
    "reading_loop",
    "renewal",
    "request_ids",
    "response_headers",
    "server",
    "server_sent_events",
    "small_bodies",
]
