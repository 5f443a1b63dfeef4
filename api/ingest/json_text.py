"""JSON that lies in memory as a whole: an item, a line, or a small body."""

import json
import math
import re
from typing import Any

from api.ingest.intake import malformed

_MAX_DEPTH = 32
_MAX_VALUES = 1000
"""In one item, which has eight at most; without a limit, `[[],[],[],…]` would take fifty times its length in memory."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_BRACKET = re.compile(rb"[\[{]|([\]}])")


def load(text: bytearray, what: str, **more: Any) -> Any:
    """Empties `text`, so that a picture in it is not held once more than needed.

    Half a surrogate pair is let pass, for the schema to judge.

    Raises:
        Problem: it is not JSON; begins with `what` and has the members `more`.
    """
    _check_shape(text, what, more)
    try:
        decoded = text.decode().removeprefix("\ufeff")
        text.clear()
        return _DECODER.decode(decoded)
    except UnicodeDecodeError as error:
        raise malformed(f"{what} is not UTF-8 at its byte {error.start + 1}", **more) from error
    except json.JSONDecodeError as error:
        raise malformed(f"{what} is not JSON at its character {error.pos + 1}: {error.msg}", **more) from error
    except ValueError as error:
        raise malformed(f"{what} is not JSON: {error}", **more) from error


def _check_shape(text: bytearray, what: str, more: dict[str, Any]) -> None:
    """Refuse nesting and numbers of values that no item has, before they take memory."""
    if text.count(b"[") + text.count(b"{") <= _MAX_DEPTH and text.count(b",") < _MAX_VALUES:
        return
    bare = _STRING.sub(b"", text)
    depth = 0
    for bracket in _BRACKET.finditer(bare):
        depth += -1 if bracket[1] else 1
        if depth > _MAX_DEPTH:
            raise malformed(f"{what} is nested over {_MAX_DEPTH} deep", **more)
    if bare.count(b",") >= _MAX_VALUES:
        raise malformed(f"{what} holds over {_MAX_VALUES:,} values", **more)


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:40]} is too large a number")
    return value


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(parse_float=_float, parse_constant=_constant)
