"""The exceptions of the library, in one tree."""

from collections.abc import Mapping
from functools import partial
from typing import Any


class CatalogError(Exception):
    """The base of every error that this library raises.

    The tree:

        CatalogError
        ├── ConfigurationError        the URL, the key or the environment cannot be used; nothing was sent
        ├── InputError                an item, a label, a table or a picture cannot be sent
        │   └── TableError            it stands in a table: the message names the file and the line
        ├── ServiceUnreachableError   no connection, or no answer in time, after every try
        ├── UnexpectedAnswerError     what answered does not speak this service's language
        │   └── AnswerTooLargeError   an answer is larger than `max_answer_bytes`
        ├── ProblemError              the service refused: `status`, `kind`, `detail`, `errors`
        │   └── QuotaExceededError    your tenant has too much waiting or stored: `quota`, `used`, `limit`
        ├── WaitTimeoutError          a job or a training has not ended in time; `record` is its last state
        └── WebhookError              a webhook is forged, too old, or malformed

    No message holds a credential.
    """


class ConfigurationError(CatalogError, ValueError):
    """The URL, the API key or an environment variable cannot be used; nothing was sent."""


class InputError(CatalogError, ValueError):
    """An item, a label or a picture cannot be sent."""


class TableError(InputError):
    """A table cannot be read; the message names the file, the line and what to do.

    Attributes:
        line: The line, from 1, where one is wrong; of a workbook, the row.
        column: The character in the line, or the column of a cell that is one too many, where it is known.
    """

    def __init__(self, message: str, *, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), line=self.line, column=self.column), self.args


class ServiceUnreachableError(CatalogError, ConnectionError):
    """The service could not be reached, or did not answer in time, after every try."""


class UnexpectedAnswerError(CatalogError):
    """What answered does not speak this service's language: a proxy, a login page, another program."""


class AnswerTooLargeError(UnexpectedAnswerError):
    """An answer is larger than `max_answer_bytes`."""


class ProblemError(CatalogError):
    """The service refused the request, with a problem document (RFC 9457).

    Attributes:
        status: The HTTP status.
        kind: The problem's stable name, for programs: `job-not-found`, `invalid-items`, …
        detail: What was wrong with this request.
        errors: What is wrong with each item or field, where the service says so.
        document: The whole document as the service sent it.
    """

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.document = document
        self.kind = str(document.get("type", "")).rpartition(":")[2] or "unknown"
        self.detail = str(document.get("detail", ""))
        errors = document.get("errors")
        self.errors: list[Mapping[str, Any]] = [*filter(_is_object, errors)] if isinstance(errors, list) else []
        super().__init__("\n".join([self.detail, *map(_line, self.errors)]))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.document)


class QuotaExceededError(ProblemError):
    """Your tenant has so much waiting or stored that the service accepts no more of it, after every try.

    Attributes:
        quota: `items`, `trainings` or `memory`; later releases may have more.
        used: Items, trainings or bytes.
        limit: The same.
    """

    @property
    def quota(self) -> str:
        return str(self.document.get("quota", "unknown"))

    @property
    def used(self) -> int:
        return _number(self.document.get("used"))

    @property
    def limit(self) -> int:
        return _number(self.document.get("limit"))


class WaitTimeoutError(CatalogError, TimeoutError):
    """A job or a training has not ended within `timeout_s`; it goes on, and `record` is its last state."""

    def __init__(self, message: str, record: Any) -> None:
        super().__init__(message)
        self.record = record

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.record)


class WebhookError(CatalogError):
    """A webhook is not to be trusted: it is forged, too old, or malformed."""


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _is_object(error: object) -> bool:
    return isinstance(error, Mapping)


def _line(error: Mapping[str, Any]) -> str:
    """One entry of a problem's `errors` as a line of text."""
    detail, pointer = error.get("detail", ""), error.get("pointer", "")
    if "index" not in error:
        place = f"line {error['line']}" if "line" in error else pointer
        return f"  {place}: {detail}" if place else f"  {detail}"
    line = f", line {error['line']}" if "line" in error else ""
    name = f" (id {error['id']})" if "id" in error else ""
    return f"  item {error['index']}{line}{name} {pointer}: {detail}"
