"""Errors as RFC 9457 problem documents."""

import errno
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from kombu.exceptions import OperationalError
from pydantic import BaseModel, ConfigDict, Field
from redis import OutOfMemoryError, RedisError
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect

from api.http import request_ids as requests
from shared.ledger import (
    MEMORY,
    CursorError,
    JobNotFoundError,
    MemoryFullError,
    QuotaExceededError,
    ResultsGoneError,
    trainings,
)
from shared.stores.redis_check import cause_in_settings
from shared.stores.request_files import DamagedFileError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_SOON_S, _LONG_S = 30, 300
"""When a client that met a limit may try again: what waits is done soon, memory and trainings take long."""


_TOLD_ERRORS = 100
"""Maximum entries of `errors` in an answer about the request itself."""
_TOLD_LENGTH = 300
"""Maximum characters of a pointer or detail: both may quote the request."""


class ProblemOut(BaseModel):
    """An error as RFC 9457 describes it; some kinds have further members, such as `errors`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="urn:rakuten-catalog:problem: and the kind's stable name, for programs.")
    title: str
    status: int
    detail: str = Field(description="What was wrong with this request, and what to do: human-readable.")
    instance: str = Field(description="The request's path.")


class Problem(Exception):  # noqa: N818  # RFC 9457's word
    """An error that becomes the answer, wherever below a route it is raised.

    Args:
        kind: A stable name, the end of the document's `type` URI.
        detail: What was wrong with this request, where, and what to do.
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

    def document(self, instance: str) -> dict[str, Any]:
        return {
            "type": f"urn:rakuten-catalog:problem:{self.kind}",
            "title": self.kind.replace("-", " ").capitalize(),
            "status": int(self.status),
            "detail": str(self),
            "instance": instance,
            **self.more,
        }

    def response(self, instance: str) -> Response:
        # In ASCII: a document may quote text that UTF-8 cannot encode, such as half a surrogate pair.
        body = json.dumps(self.document(instance))
        return Response(body, int(self.status), headers=self.headers, media_type=MEDIA_TYPE)


def shortened(text: str) -> str:
    """The beginning of what an answer quotes."""
    return text if len(text) <= _TOLD_LENGTH else text[:_TOLD_LENGTH] + "…"


def pointer_to(location: Iterable[int | str]) -> str:
    """An RFC 6901 JSON pointer from the location in a pydantic error."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def malformed(detail: str, **more: Any) -> Problem:
    """What to answer to a body that cannot be parsed; `detail` may begin in lower case and has no full stop."""
    return Problem(HTTPStatus.BAD_REQUEST, "malformed-body", detail[0].upper() + detail[1:] + ".", **more)


def results_expired(job_id: str) -> Problem:
    detail = f"The results of job {job_id} are no longer kept: its results_expire_at has passed."
    return Problem(HTTPStatus.GONE, "results-expired", detail)


def invalid_request(entries: Sequence[Any]) -> Problem:
    """A problem from the entries of a pydantic `ValidationError`; a JSON pointer names each wrong field."""
    errors = [
        {
            "pointer": shortened(pointer_to(entry["loc"])),
            "detail": shortened(entry["msg"].removeprefix("Value error, ")),
        }
        for entry in entries[:_TOLD_ERRORS]
    ]
    detail = "; ".join(f"{entry['pointer']}: {entry['detail']}" for entry in errors)
    if len(entries) > _TOLD_ERRORS:
        detail += f"; and {len(entries) - _TOLD_ERRORS:,} more"
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, errors=errors)


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem document; to be called before other middlewares are added."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(JobNotFoundError, _no_job)
    app.add_exception_handler(CursorError, _no_cursor)
    app.add_exception_handler(ResultsGoneError, _gone)
    app.add_exception_handler(QuotaExceededError, _quota)
    app.add_exception_handler(MemoryFullError, _memory)
    app.add_exception_handler(OutOfMemoryError, _memory)
    app.add_exception_handler(RedisError, _unavailable)
    app.add_exception_handler(OperationalError, _unavailable)
    app.add_exception_handler(OSError, _disk)
    app.add_exception_handler(ClientDisconnect, _disconnected)
    # A middleware and not a handler: a handler's answer would lack the headers of the middlewares added after this.
    app.add_middleware(ServerErrorMiddleware, handler=_internal)


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
    detail = f"There is no job {error}: it never existed, or its record is no longer kept."
    return Problem(HTTPStatus.NOT_FOUND, "job-not-found", detail).response(request.url.path)


def _gone(request: Request, error: Exception) -> Response:
    return results_expired(str(error)).response(request.url.path)


def _no_cursor(request: Request, error: Exception) -> Response:
    return Problem(HTTPStatus.BAD_REQUEST, "unknown-cursor", f"{error}.").response(request.url.path)


def _quota(request: Request, error: Exception) -> Response:
    assert isinstance(error, QuotaExceededError)  # noqa: S101
    match error.quota:
        case memory if memory == MEMORY:
            quota, holds = "memory", f"jobs of your tenant hold {_mib(error.used)} of the job store's memory"
            limit, wait_s, then = _mib(error.limit), _LONG_S, "cancel jobs that you do not need, or send it again later"
        case lane if lane == trainings.LANE:
            quota, holds = "trainings", f"{error.used} trainings of your tenant have not ended"
            limit, wait_s, then = str(error.limit), _LONG_S, "send it again later, or cancel one of them"
        case lane:
            quota, holds = "items", f"{error.used:,} items of your tenant wait in the lane {lane}"
            limit, wait_s, then = f"{error.limit:,}", _SOON_S, "send it again when some are done, or cancel a job"
    detail = f"Your quota is used up: {holds}; the limit is {limit}. Nothing of this request was accepted: {then}."
    facts = {"quota": quota, "used": error.used, "limit": error.limit}
    headers = {"Retry-After": str(wait_s)}
    problem = Problem(HTTPStatus.TOO_MANY_REQUESTS, "quota-exceeded", detail, headers=headers, **facts)
    return problem.response(request.url.path)


def _memory(request: Request, error: Exception) -> Response:
    used = f" ({_mib(error.used)} of {_mib(error.limit)} are used)" if isinstance(error, MemoryFullError) else ""
    log.warning("nothing is accepted, because Redis' memory is full%s", used)
    detail = (
        f"The job store's memory is full{used}, so nothing of this request was accepted. What was accepted before is "
        "still being done. Send the request again later, or tell the operator."
    )
    headers = {"Retry-After": str(_LONG_S)}
    problem = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-full", detail, headers=headers)
    return problem.response(request.url.path)


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def _unavailable(request: Request, error: Exception) -> Response:
    if cause := cause_in_settings(error):
        log.error("Redis cannot be used: %s", cause)
    detail = "The job store (Redis) does not answer. Try again in a few seconds, with the same Idempotency-Key."
    headers = {"Retry-After": "5"}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", detail, headers=headers).response(
        request.url.path
    )


def _disk(request: Request, error: Exception) -> Response:
    """An error of the blob store or of the temporary files of multipart bodies."""
    log.error("cannot store a request: %s", error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        detail = "The picture store is full, so nothing was accepted. Try again later, or tell the operator."
        status, kind = HTTPStatus.INSUFFICIENT_STORAGE, "insufficient-storage"
    elif isinstance(error, DamagedFileError):
        detail = "A file of decisions is damaged, so nothing was accepted. Tell the operator: the log names the file."
        status, kind = HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable"
    else:
        detail = "The picture store cannot be reached, so nothing was accepted. Try again in a few seconds."
        status, kind = HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable"
    return Problem(status, kind, detail, headers={"Retry-After": "30"}).response(request.url.path)


def _disconnected(request: Request, error: Exception) -> Response:
    """The client went away in the middle of its body, so nobody reads the answer; nothing was accepted."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


def _internal(request: Request, error: Exception) -> Response:
    detail = f"The service failed on this request. Its log has the reason, under this {requests.HEADER}."
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", detail).response(request.url.path)
