"""Requests by route: how many, their status, and the time until the answer began."""

import asyncio
import time
from http import HTTPMethod, HTTPStatus

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600)
"""Seconds; a large upload takes minutes."""
_NO_ROUTE = "none"
_OTHER = "other"
_GONE = 499
"""The client disconnected before there was an answer; nginx's status for that."""
_AT_FIRST = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)


class HttpMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "catalog_http_requests", "Requests, by route and status.", ("method", "route", "status"), registry=registry
        )
        self.duration = Histogram(
            "catalog_http_request_duration_seconds",
            "Time from a request's head until its answer begins, including its body.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "catalog_http_requests_in_flight",
            "Requests whose answer is not complete yet.",
            registry=registry,
        )

    def expect(self, router: APIRouter) -> None:
        """Create each route's series with 0, so that the first error is seen as a rise."""
        for route in router.routes:
            if isinstance(route, APIRoute):
                for method in route.methods or ():
                    self.duration.labels(method, route.path)
                    for status in (route.status_code or HTTPStatus.OK, *_AT_FIRST):
                        self.requests.labels(method, route.path, int(status))


def install(app: FastAPI, metrics: HttpMetrics) -> None:
    """Measure every request."""
    app.add_middleware(_Measured, metrics=metrics)


class _Measured:
    """Watches ASGI messages pass, because bodies of gigabytes and events are streamed."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._count(scope, status, time.perf_counter() - begun)
            await send(message)

        with self._metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, observed)
            except BaseException as error:
                if not status:
                    gone = isinstance(error, asyncio.CancelledError)
                    self._count(scope, _GONE if gone else HTTPStatus.INTERNAL_SERVER_ERROR, time.perf_counter() - begun)
                raise

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request; clients choose paths and methods, so unknown ones must not create series of their own."""
        method = scope["method"] if scope["method"] in HTTPMethod.__members__ else _OTHER
        route = getattr(scope.get("route"), "path", _NO_ROUTE)
        self._metrics.requests.labels(method, route, int(status)).inc()
        self._metrics.duration.labels(method, route).observe(seconds)
