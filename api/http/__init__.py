"""What every route shares of HTTP: problem documents, idempotency keys, request ids, events, long polling, OpenAPI."""
