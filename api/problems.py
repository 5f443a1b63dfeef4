"""Errors as RFC 9457 problem documents."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from kombu.exceptions import OperationalError
from redis import RedisError
from starlette.exceptions import HTTPException

from shared.ledger import CursorError, JobNotFoundError

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818  # RFC 9457's word
    """Raised anywhere below a route; becomes the answer.

    Args:
        kind: A stable name, the end of the document's `type` URI.
        detail: What was wrong with this very request, and what to do.
        more: Further members of the document.
    """

    def __init__(
        self, status: HTTPStatus, kind: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.headers = dict(headers or {})
        self.more = more

    def response(self, instance: str) -> Response:
        document = {
            "type": f"urn:rakuten-catalog:problem:{self.kind}",
            "title": self.kind.replace("-", " ").capitalize(),
            "status": int(self.status),
            "detail": str(self),
            "instance": instance,
            **self.more,
        }
        # In ASCII: a document may quote what is wrong, such as half a surrogate pair, which UTF-8 cannot hold.
        return Response(json.dumps(document), int(self.status), headers=self.headers, media_type=MEDIA_TYPE)


def invalid_request(entries: Sequence[Any]) -> Problem:
    """From the entries of a pydantic `ValidationError`; each field that is wrong is named by a JSON pointer."""
    errors = [
        {"pointer": "".join(f"/{part}" for part in entry["loc"]), "detail": entry["msg"].removeprefix("Value error, ")}
        for entry in entries
    ]
    detail = "; ".join(f"{entry['pointer']}: {entry['detail']}" for entry in errors)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, errors=errors)


def install(app: FastAPI) -> None:
    """Make every error of the app a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(JobNotFoundError, _no_job)
    app.add_exception_handler(CursorError, _no_cursor)
    app.add_exception_handler(RedisError, _unavailable)
    app.add_exception_handler(OperationalError, _unavailable)
    app.add_exception_handler(Exception, _internal)


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  # registered for this type alone
    return error.response(request.url.path)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return invalid_request(error.errors()).response(request.url.path)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    status = HTTPStatus(error.status_code)
    kind = status.phrase.lower().replace(" ", "-")
    return Problem(status, kind, str(error.detail), headers=error.headers).response(request.url.path)


def _no_job(request: Request, error: Exception) -> Response:
    detail = f"There is no job {error}: it never was, or its results were kept as long as promised."
    return Problem(HTTPStatus.NOT_FOUND, "job-not-found", detail).response(request.url.path)


def _no_cursor(request: Request, error: Exception) -> Response:
    return Problem(HTTPStatus.BAD_REQUEST, "unknown-cursor", f"{error}.").response(request.url.path)


def _unavailable(request: Request, error: Exception) -> Response:
    detail = "The job store cannot be reached right now; nothing was accepted. Try again in a few seconds."
    headers = {"Retry-After": "5"}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", detail, headers=headers).response(
        request.url.path
    )


def _internal(request: Request, error: Exception) -> Response:
    detail = "The service failed on this request; its log says why."
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", detail).response(request.url.path)
