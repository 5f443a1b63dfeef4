"""What is wrong with an item of a request, and where."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from pydantic import ValidationError

from api.http.problems import Problem, StreamedProblem, pointer_to
from api.ingest import RawItem
from shared.ledger import ItemStatus, Outcome

_SHOWN_ERRORS = 3
"""Error entries shown per item."""
_SHOWN_LENGTH = 300
"""Maximum characters of a pointer or detail: both may quote the request, and stay in memory until all is read."""


class ItemError(ValueError):
    """An error in an item's id or picture; the pointer starts at the item."""

    def __init__(self, pointer: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.code = code


@dataclass(frozen=True, slots=True)
class Invalid:
    """An item that cannot be accepted."""

    index: int
    id: str | None
    line: int | None
    errors: tuple[tuple[str, str, str], ...]
    """Pointer, code and detail of each error."""

    def entries(self) -> Iterator[dict[str, Any]]:
        """The entries for a problem document's `errors`."""
        where = {name: value for name, value in (("line", self.line), ("id", self.id)) if value is not None}
        for pointer, code, detail in self.errors:
            yield {"index": self.index, "pointer": pointer, "code": code, "detail": detail, **where}

    def outcome(self) -> Outcome:
        """The outcome of this item, if invalid items are skipped."""
        return Outcome(
            self.index,
            self.id or str(self.index),
            ItemStatus.INVALID,
            error="invalid_item",
            message="; ".join(detail for _, _, detail in self.errors),
            pointer=self.errors[0][0],
            line=self.line,
        )


def error_entries(invalid: Iterable[Invalid]) -> Iterator[dict[str, Any]]:
    return (entry for item in invalid for entry in item.entries())


def check_valid(total: int, invalid: Sequence[Invalid], on_invalid: Literal["reject", "skip"], what: str) -> None:
    """Raise `Problem` if there is nothing valid to accept, or something is invalid and must not be skipped.

    Args:
        what: What the request lists, `items` or `labels`.
    """
    if not total:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"no-{what}", f"The request contains no {what}.")
    wrong = len(invalid)
    if wrong == total or (wrong and on_invalid == "reject"):
        raise StreamedProblem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"invalid-{what}",
            f"{wrong} of {total} {what} are invalid, so none was accepted: correct them and send the request again"
            + (", or skip them with on_invalid=skip." if wrong < total else "."),
            errors=error_entries(invalid),
        )


def invalid(raw: RawItem, error: ValidationError | ItemError) -> Invalid:
    """Describe an invalid item by position, line and id, as far as they are known."""
    entries = [(error.pointer, error.code, str(error))] if isinstance(error, ItemError) else list(_entries(error))
    item_id = None
    if isinstance(raw.fields, dict) and raw.fields.get("id") is not None:
        item_id = str(raw.fields["id"])[:128]
    shown = entries[:_SHOWN_ERRORS]
    errors = [(_shortened(raw.pointer + pointer), code, _shortened(detail)) for pointer, code, detail in shown]
    if len(entries) > _SHOWN_ERRORS:
        errors.append((raw.pointer, "more_errors", f"and {len(entries) - _SHOWN_ERRORS} more errors in this item"))
    return Invalid(raw.index, item_id, raw.line, tuple(errors))


def _entries(error: ValidationError) -> Iterator[tuple[str, str, str]]:
    for entry in error.errors(include_url=False, include_context=False, include_input=False):
        yield pointer_to(entry["loc"]), entry["type"], entry["msg"].removeprefix("Value error, ")


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…"
