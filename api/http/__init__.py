"""HTTP as every route needs it: problem documents, idempotency keys, request ids, events, long polling, OpenAPI."""
