"""JSON documents as frozen dataclasses.

Some fifty lines instead of a library such as pydantic or cattrs: the client is to bring httpx and nothing else.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, datetime
from functools import cache
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from catalog_client._errors import UnexpectedAnswerError


@dataclass(frozen=True, kw_only=True)
class Record:
    """An object that the service answers. Members that only newer services send are in `document`."""

    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The whole object as the service sent it."""


R = TypeVar("R", bound=Record)
_Read = Callable[[Any], Any]


def older(name: str) -> Any:
    """Return a field that services before this release call `name`."""
    return field(default=None, metadata={"older": name})


def parse(kind: type[R], document: Any) -> R:
    """Read the document as a record of this kind.

    Raises:
        UnexpectedAnswerError: the document is of another kind.
    """
    if not isinstance(document, Mapping):
        raise UnexpectedAnswerError(f"the answer holds {_excerpt(document)} in the place of a {kind.__name__}")
    values: dict[str, Any] = {"document": document}
    for name, read, others, required in _fields(cast("Any", kind)):  # mypy takes a record's hash for its class's
        value = next((document[alias] for alias in (name, *others) if alias in document), MISSING)
        if value is MISSING or (value is None and not required):
            if required:
                raise UnexpectedAnswerError(f"the answer has no {name!r}, which every {kind.__name__} has")
            continue
        try:
            values[name] = read(value)
        except (TypeError, ValueError, AttributeError) as error:
            raise UnexpectedAnswerError(f"{kind.__name__}.{name} cannot be {_excerpt(value)}: {error}") from error
    return kind(**values)


@cache
def _fields(kind: type[Any]) -> list[tuple[str, _Read, tuple[str, ...], bool]]:
    """List each field's name, the reader of its value, its older names, and whether it is required."""
    hints = get_type_hints(kind)
    return [
        (
            each.name,
            _reader(hints[each.name]),
            (each.metadata["older"],) if "older" in each.metadata else (),
            each.default is MISSING and each.default_factory is MISSING,
        )
        for each in fields(kind)
        if each.name != "document"
    ]


def _reader(hint: Any) -> _Read:
    origin, inner = get_origin(hint), get_args(hint)
    if hint == int | str:
        return lambda value: value
    if origin is UnionType:
        read = _reader(next(part for part in inner if part is not type(None)))
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        entry = _reader(inner[0])
        return lambda values: tuple(entry(value) for value in values)
    if origin is Mapping:
        key, entry = _reader(inner[0]), _reader(inner[1])
        return lambda values: {key(name): entry(value) for name, value in values.items()}
    if isinstance(hint, type) and issubclass(hint, Record):
        return lambda value: parse(hint, value)
    if hint in (datetime, date):
        read_time: _Read = hint.fromisoformat
        return read_time
    if hint in (int, float):
        number: _Read = hint
        return number
    return _text if hint is str else lambda value: value


def _text(value: Any) -> Any:
    """A text; services before this release sent codes of categories as numbers."""
    return str(value) if type(value) is int else value


def _excerpt(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
