"""What is wrong with an item of a request, and where."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from pydantic import ValidationError

from api.http.problems import Problem, pointer_to, shortened
from api.ingest import RawItem
from shared.ledger import ItemStatus, Outcome

_SHOWN_ERRORS = 3
"""Error entries shown per item."""
_TOLD_ITEMS = 1000
"""Invalid items of a request that are named; the others are counted."""
_MEMBERS = 20
"""Members of an object in an item, of which each wrong one takes a moment to describe."""
_METADATA = "metadata"
"""The member that may have more: of its errors only the first is described."""


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


class InvalidItems:
    """The invalid items of one request: all are counted, and those that an answer names are kept."""

    def __init__(self) -> None:
        self.count = 0
        self._told: list[Invalid] = []

    def add(self, item: Invalid) -> None:
        self.count += 1
        if len(self._told) < _TOLD_ITEMS:
            self._told.append(item)

    def entries(self) -> Iterator[dict[str, Any]]:
        """The entries for `errors`, in the order of the items."""
        return (entry for item in sorted(self._told, key=lambda item: item.index) for entry in item.entries())

    def check(self, total: int, on_invalid: Literal["reject", "skip"] | None, what: str) -> None:
        """Raise `Problem` if there is nothing valid to accept, or something is invalid and must not be skipped.

        Args:
            total: How many items there were in all.
            on_invalid: The caller's choice; `None`: there is none, and nothing is skipped.
            what: What the request lists, such as `items`.
        """
        if not total:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"no-{what}", f"The request contains no {what}.")
        wrong, rest = self.count, self.count - len(self._told)
        if wrong == total or (wrong and on_invalid != "skip"):
            detail = (
                f"{wrong:,} of {total:,} {what} are invalid, so none was accepted: correct them and send the request "
                "again" + (", or skip them with on_invalid=skip." if wrong < total and on_invalid else ".")
            )
            if rest:
                detail += f" The first {len(self._told):,} are listed in `errors`, and {rest:,} more are not."
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"invalid-{what}",
                detail,
                errors=list(self.entries()),
                not_listed=rest,
            )


def check_members(fields: Any) -> None:
    """Raise `ItemError` if the item, or an object in it, has more members than anything that the API takes."""
    if not isinstance(fields, dict):
        return
    if len(fields) > _MEMBERS:
        raise _too_many_members(fields)
    for name, value in fields.items():
        if isinstance(value, dict) and len(value) > _MEMBERS and name != _METADATA:
            raise _too_many_members(value, name)


def _too_many_members(fields: dict[str, Any], *place: str) -> ItemError:
    detail = f"there are {len(fields):,} members, over {_MEMBERS}"
    return ItemError(pointer_to(place), "too_many_members", detail)


def invalid(raw: RawItem, error: ValidationError | ItemError) -> Invalid:
    """Describe an invalid item by position, line and id, as far as they are known."""
    entries = [(error.pointer, error.code, str(error))] if isinstance(error, ItemError) else list(_entries(error))
    item_id = None
    if isinstance(raw.fields, dict) and isinstance(raw.fields.get("id"), str | int | float):
        item_id = str(raw.fields["id"])[:128]
    shown = entries[:_SHOWN_ERRORS]
    errors = [(shortened(raw.pointer + pointer), code, shortened(detail)) for pointer, code, detail in shown]
    if len(entries) > _SHOWN_ERRORS:
        errors.append((raw.pointer, "more_errors", f"and {len(entries) - _SHOWN_ERRORS} more errors in this item"))
    return Invalid(raw.index, item_id, raw.line, tuple(errors))


def _entries(error: ValidationError) -> Iterator[tuple[str, str, str]]:
    for entry in error.errors(include_url=False, include_context=False, include_input=False):
        yield pointer_to(entry["loc"]), entry["type"], entry["msg"].removeprefix("Value error, ")
