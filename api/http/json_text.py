"""Parses JSON that is in memory as a whole: an item, a line, or a small body."""

import json
import math
import re
from typing import Any

from pydantic_core import from_json

from api.http.problems import Problem, malformed

_COMMA = ord(",")
MAX_DEPTH = 32
_MAX_VALUES = 1000
"""Values in one item, which needs eight at most. Unlimited, `[[],[],…]` takes fifty times its length in memory."""

_WIDE = 1024**2
"""Bytes from which a text outside ASCII is not made a string as a whole: that would take four bytes a character."""

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{},]', re.DOTALL)
"""A string or a mark. A string without an end is the rest of the text: no quotation mark in it begins another one."""

_NAME_OR_MARK = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*+:|"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
"""The name of a member, another string, or a mark."""


def load(text: bytearray, what: str, **more: Any) -> Any:
    """Parse the text, and empty it, so that a picture in it is not in memory twice.

    Half a surrogate pair is accepted here: the schema decides about it.

    Raises:
        Problem: the text is not JSON. Its detail begins with `what`, and it has the members `more`.
    """
    _check_shape(text, what, more)
    try:
        if len(text) > _WIDE and not text.isascii():
            return _parsed_as_bytes(text)
        decoded = text.decode().removeprefix("\ufeff")
        text.clear()
        return _DECODER.decode(decoded)
    except UnicodeDecodeError as error:
        raise malformed(f"{what} is not UTF-8 at its byte {error.start + 1}", **more) from error
    except json.JSONDecodeError as error:
        raise malformed(f"{what} is not JSON at its character {error.pos + 1}: {error.msg}", **more) from error
    except _TwiceError as error:
        raise malformed(f"{what} is ambiguous: {error}", **more) from error
    except ValueError as error:
        raise malformed(f"{what} is not JSON: {error}", **more) from error


def too_deep(what: str, **more: Any) -> Problem:
    return malformed(f"{what} is nested more than {MAX_DEPTH} levels deep", **more)


def _check_shape(text: bytearray, what: str, more: dict[str, Any]) -> None:
    """Raise `Problem` for deeper nesting or more values than any item has, before they take memory."""
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH and text.count(b",") < _MAX_VALUES:
        return
    depth, commas = 0, 0
    for token in _TOKEN.finditer(text):
        mark = text[token.start()]
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        elif mark == _COMMA:
            commas += 1
        if depth > MAX_DEPTH:
            raise too_deep(what, **more)
        if commas >= _MAX_VALUES:
            raise malformed(f"{what} has more than {_MAX_VALUES:,} values", **more)


class _TwiceError(ValueError):
    """A member occurs twice in an object, and nobody knows which one counts."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the member {name[:100]!r} occurs twice in one object")


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these members; raises `_TwiceError`."""
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return found


def _check_names(text: bytearray) -> None:
    """Raise `_TwiceError` for an object with a member that occurs twice."""
    around: list[set[str]] = []  # the names seen in the objects and lists around the place
    for token in _NAME_OR_MARK.finditer(text):
        mark = text[token.start()]
        if mark in b"[{":
            around.append(set())
        elif mark in b"]}":
            if around:
                around.pop()
        elif token[1] and around:
            name = json.loads(bytes(token[1]))
            if name in around[-1]:
                raise _TwiceError(name)
            around[-1].add(name)


def _parsed_as_bytes(text: bytearray) -> Any:
    """Parse without a string of the whole; unlike the other parser, this one refuses half a surrogate pair."""
    _check_names(text)
    parsed = from_json(text, allow_inf_nan=False)
    text.clear()
    return parsed


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"the number {digits[:40]} is too large")
    return value


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_float=_float, parse_constant=_constant)
