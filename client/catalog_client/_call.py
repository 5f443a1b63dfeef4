"""A request to the service as a value, and how its answer is read."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from catalog_client._errors import ProblemError, QuotaExceededError, UnexpectedAnswerError
from catalog_client._parsing import R, parse

T = TypeVar("T")

NDJSON = "application/x-ndjson"
_EXCERPT = 200
"""Characters of an unexpected answer that its error shows."""


@dataclass(frozen=True)
class Answer:
    """An answer that was read completely."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    source: str
    """The service's URL, as it may be shown."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[Answer], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: bytes | None = None
    """The body, where it is not JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    """Whether it has one effect however often it is sent, so that it may be sent again when its answer is lost."""


def check(answer: Answer) -> None:
    """Raise the error that the answer stands for, if any.

    Raises:
        ProblemError: the service refused.
        UnexpectedAnswerError: something else answered.
    """
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        if is_page(answer.headers):
            raise UnexpectedAnswerError(
                f"{answer.source} answered with a web page, so it is not the service: {excerpt(answer.content)}"
            )
        return
    if answer.status < HTTPStatus.BAD_REQUEST:
        target = answer.headers.get("location", "elsewhere")
        raise UnexpectedAnswerError(f"{answer.source} answered {answer.status}: it redirects to {target}. Use that URL")
    try:
        document = json.loads(answer.content)
    except ValueError:
        document = None
    if not isinstance(document, dict) or "detail" not in document:
        raise UnexpectedAnswerError(f"{answer.source} answered {answer.status} {excerpt(answer.content)}")
    problem = ProblemError(answer.status, document)
    raise QuotaExceededError(answer.status, document) if problem.kind == "quota-exceeded" else problem


def is_page(headers: Mapping[str, str]) -> bool:
    """Tell whether the answer is a web page, which the service never sends: a proxy or a login page has answered."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "text/html"


def get(path: str, read: Callable[[Answer], T], query: Mapping[str, Any] | None = None) -> Call[T]:
    return Call("GET", path, read, without_none(query or {}))


def post(
    path: str,
    read: Callable[[Answer], T],
    body: Mapping[str, Any] | None = None,
    *,
    query: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    repeatable: bool = True,
) -> Call[T]:
    query = without_none(query or {})
    return Call("POST", path, read, query, body, headers=headers or {}, repeatable=repeatable)


def stream(path: str, read: Callable[[Answer], T], query: Mapping[str, Any], idempotency_key: str | None) -> Call[T]:
    """A request whose body is NDJSON, sent as it is made."""
    return post(path, read, query=query, headers={"Content-Type": NDJSON, **keyed(idempotency_key)})


def without_none(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def keyed(idempotency_key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}


def record_of(kind: type[R]) -> Callable[[Answer], R]:
    def read(answer: Answer) -> R:
        check(answer)
        return parse(kind, json_of(answer))

    return read


def text_of(answer: Answer) -> str:
    return content_of(answer).decode(errors="replace")


def content_of(answer: Answer) -> bytes:
    check(answer)
    return answer.content


def json_of(answer: Answer) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError as error:
        message = f"{answer.source} answered something other than JSON, so it is not the service: "
        raise UnexpectedAnswerError(message + excerpt(answer.content)) from error


def excerpt(content: bytes) -> str:
    return repr(content[:_EXCERPT].decode(errors="replace"))
