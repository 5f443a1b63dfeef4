"""Which web pages may call the API from a browser (CORS): those of the configured origins, and none by default."""

from collections.abc import Collection

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from api.http import request_ids
from api.http.idempotency import HEADER as IDEMPOTENCY_KEY
from api.http.idempotency import REPLAYED

_SENT = (
    *("Authorization", "Content-Encoding", IDEMPOTENCY_KEY, "If-None-Match", "Last-Event-ID"),
    *(request_ids.HEADER, "traceparent", "tracestate"),
)
_SHOWN = (
    *("Accept-Encoding", "Content-Disposition", "ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After"),
    *("WWW-Authenticate", request_ids.HEADER, REPLAYED),
)


def install(app: FastAPI, origins: Collection[str]) -> None:
    """Answer preflights, and let pages of these origins read every answer, also errors.

    A page has to send an API key itself: cookies and other credentials of the browser are not asked for.
    """
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=_SENT,
            expose_headers=_SHOWN,
        )
