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
    """What the service says of one thing. Members of newer services that have no attribute yet are in `document`."""

    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The whole object as the service sent it."""


R = TypeVar("R", bound=Record)
_Read = Callable[[Any], Any]


def older(name: str) -> Any:
    """A field that services before this release call `name`."""
    return field(default=None, metadata={"older": name})


def parse(kind: type[R], document: Any) -> R:
    """The document as a record of this kind.

    Raises:
        UnexpectedAnswerError: it is no such document.
    """
    if not isinstance(document, Mapping):
        raise UnexpectedAnswerError(f"the answer holds {_shown(document)} in the place of a {kind.__name__}")
    values: dict[str, Any] = {"document": document}
    for name, read, others, required in _fields(cast("Any", kind)):  # mypy takes a record's hash for its class's
        given = next((document[known] for known in (name, *others) if known in document), MISSING)
        if given is MISSING:
            if required:
                raise UnexpectedAnswerError(f"the answer has no {name!r}, which every {kind.__name__} has")
            continue
        try:
            values[name] = read(given)
        except (TypeError, ValueError, AttributeError) as error:
            raise UnexpectedAnswerError(f"{kind.__name__}.{name} cannot be {_shown(given)}: {error}") from error
    return kind(**values)


@cache
def _fields(kind: type[Any]) -> list[tuple[str, _Read, tuple[str, ...], bool]]:
    """Each field's name, how its value is read, what older services call it, and whether it must be there."""
    hints = get_type_hints(kind)
    return [
        (
            known.name,
            _reader(hints[known.name]),
            (known.metadata["older"],) if "older" in known.metadata else (),
            known.default is MISSING and known.default_factory is MISSING,
        )
        for known in fields(kind)
        if known.name != "document"
    ]


def _reader(hint: Any) -> _Read:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is UnionType:
        read = _reader(next(part for part in inner if part is not type(None)))
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        entry = _reader(inner[0])
        return lambda value: tuple(entry(each) for each in value)
    if origin is Mapping:
        key, entry = _reader(inner[0]), _reader(inner[1])
        return lambda value: {key(name): entry(each) for name, each in value.items()}
    if isinstance(hint, type) and issubclass(hint, Record):
        return lambda value: parse(hint, value)
    if hint in (datetime, date):
        read_time: _Read = hint.fromisoformat
        return read_time
    if hint in (int, float):
        number: _Read = hint
        return number
    return lambda value: value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
