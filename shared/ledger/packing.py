"""Items and outcomes as bytes in Redis.

They are rows instead of objects with names: there may be millions of items, and `asdict` takes ten times as long.
"""

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from shared.ledger.records import Guess, Outcome, QueuedItem
from shared.ledger.states import ItemStatus

_NUMBER = re.compile("0|[1-9][0-9]{0,17}")
_ITEM = attrgetter(*(field.name for field in fields(QueuedItem)))
_SUCCEEDED = attrgetter("index", "id", "needs_review", "cached", "weights")
_OTHERS = attrgetter("index", "id", "status", "error", "message", "pointer", "line")


def pack_items(items: Sequence[QueuedItem]) -> bytes:
    return _pack([_ITEM(item) for item in items])


def unpack_items(packed: bytes) -> list[QueuedItem]:
    return [QueuedItem(*row) for row in _unpack(packed)]


def count_items(packed: bytes) -> int:
    return len(_unpack(packed))


def pack_outcomes(bundle: str, outcomes: Sequence[Outcome]) -> bytes:
    """Pack the outcomes, and behind them the paths to their categories, if there are any.

    The paths are in a zlib stream of their own: earlier releases read the first one alone.
    """
    answered = [outcome for outcome in outcomes if outcome.status is ItemStatus.SUCCEEDED]
    packed = _pack([bundle, [_to_row(outcome) for outcome in outcomes]])
    told = any(
        outcome.path or outcome.sure != _sure_alone(outcome.guesses, outcome.needs_review) for outcome in answered
    )
    return packed + _pack_paths(answered) if told else packed


def unpack_outcomes(packed: bytes) -> tuple[str, list[Outcome]]:
    """The bundle ("" for none), and the outcomes it gave."""
    stream = zlib.decompressobj()
    bundle, rows = json.loads(stream.decompress(packed))
    paths = _unpack_paths(stream.unused_data)
    return bundle, [_from_row(paths, *row) for row in rows]


def _to_row(outcome: Outcome) -> tuple[Any, ...]:
    """Return only the fields that an outcome of its kind has."""
    if outcome.status is not ItemStatus.SUCCEEDED:
        return _OTHERS(outcome)
    guesses = [_cells(guess) for guess in outcome.guesses]
    text, image = outcome.text, outcome.image
    # Earlier releases take `false` for no picture, as they take `null`.
    picture = False if outcome.not_looked_at else image and _cells(image)
    return (*_SUCCEEDED(outcome), guesses, text and _cells(text), picture)


def _cells(guess: Guess) -> tuple[str | int, float]:
    """Return code and confidence; a code that is a number is written as one, as earlier releases expect it."""
    return int(guess.code) if _NUMBER.fullmatch(guess.code) else guess.code, guess.confidence


def _from_row(paths: Iterator[tuple[tuple[Guess, ...], int]], index: int, identifier: str, *rest: Any) -> Outcome:
    if isinstance(rest[0], str):
        status, error, message, pointer, line = rest
        return Outcome(index, identifier, ItemStatus(status), error=error, message=message, pointer=pointer, line=line)
    needs_review, cached, weights, guesses, text, image = rest
    path, sure = next(paths, ((), _sure_alone(guesses, needs_review)))
    return Outcome(
        index,
        identifier,
        guesses=tuple([_guess(*guess) for guess in guesses]),
        needs_review=needs_review,
        path=path,
        sure=sure,
        text=text and _guess(*text),
        image=_guess(*image) if image else None,
        not_looked_at=image is False,
        weights=weights and tuple(weights),
        cached=cached,
    )


def _sure_alone(guesses: Sequence[object], needs_review: bool) -> int:
    """How many categories are sure of an answer that has no path."""
    return 1 if guesses and not needs_review else 0


def _pack_paths(answered: Sequence[Outcome]) -> bytes:
    """Pack each distinct path once, and for each outcome which one it has, how much is sure, and the probabilities."""
    numbers: dict[tuple[str, ...], int] = {}
    rows = []
    for outcome in answered:
        number = numbers.setdefault(tuple([guess.code for guess in outcome.path]), len(numbers))
        rows.append((number, outcome.sure, *[guess.confidence for guess in outcome.path]))
    return _pack([list(numbers), rows])


def _unpack_paths(packed: bytes) -> Iterator[tuple[tuple[Guess, ...], int]]:
    """Yield path and number of sure categories of each outcome that succeeded; nothing, if there are no paths."""
    if packed:
        paths, rows = _unpack(packed)
        for number, sure, *confidences in rows:
            yield tuple(map(Guess, paths[number], confidences)), sure


def _guess(code: str | int, confidence: float) -> Guess:
    """Return a guess of a row, whose code may be written as a number."""
    return Guess(str(code), confidence)


def _pack(content: Any) -> bytes:
    return zlib.compress(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), level=3)


def _unpack(packed: bytes) -> Any:
    return json.loads(zlib.decompress(packed))
