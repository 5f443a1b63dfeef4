"""Items and outcomes as bytes in Redis.

They are rows instead of objects with names: there may be millions of items, and `asdict` takes ten times as long.
"""

import json
import re
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import count
from operator import attrgetter
from typing import Any, NamedTuple

from shared.ledger.records import Decided, Explanation, Guess, Outcome, QueuedItem, Sent
from shared.ledger.states import AuditKind, ItemStatus

_NUMBER = re.compile("0|[1-9][0-9]{0,17}")
_ITEM = attrgetter(*(field.name for field in fields(QueuedItem)))
_SUCCEEDED = attrgetter("index", "id", "needs_review", "cached", "weights")
_EXPLANATION = attrgetter(*(field.name for field in fields(Explanation)))
_REMEMBERED = attrgetter(*(field.name for field in fields(Decided)))
_OTHERS = attrgetter("index", "id", "status", "error", "message", "pointer", "line")


_Row = Sequence[Any] | None
"""The fields of a record, if there is one."""


class _Path(NamedTuple):
    """The categories above an answer, as they are packed."""

    codes: Sequence[str]
    confidences: Sequence[float]
    sure: int
    """The number of categories that are sure."""


def pack_items(items: Sequence[QueuedItem]) -> bytes:
    return _pack([_ITEM(item) for item in items])


def unpack_items(packed: bytes, indices: Collection[int] | None = None) -> list[QueuedItem]:
    """Unpack the items, or those of them with these indices."""
    return [QueuedItem(*row) for row in _unpack(packed) if indices is None or row[0] in indices]


def count_items(packed: bytes) -> int:
    return len(_unpack(packed))


def pack_outcomes(bundle: str, outcomes: Sequence[Outcome]) -> bytes:
    """Pack the outcomes, and behind them paths to their categories, explanations and what else some of them have.

    These are in zlib streams of their own, because earlier releases read only the first one, two or three.
    """
    answered = [outcome for outcome in outcomes if outcome.status is ItemStatus.SUCCEEDED]
    packed = _pack([bundle, [_to_row(outcome) for outcome in outcomes]])
    told = any(
        outcome.path or outcome.sure != _sure_alone(outcome.guesses, outcome.needs_review) for outcome in answered
    )
    more = [(place, *row) for place, row in enumerate(map(_more, answered)) if any(row)]
    explained = bool(more) or any(outcome.explanation for outcome in answered)
    if told or explained:
        packed += _pack_paths(answered)
    if explained:
        packed += _pack([outcome.explanation and _EXPLANATION(outcome.explanation) for outcome in answered])
    return packed + _pack(more) if more else packed


def unpack_outcomes(packed: bytes, indices: Collection[int] | None = None) -> tuple[str, list[Outcome]]:
    """Return the bundle ("" for none), and the outcomes it gave, or those of them with these indices."""
    (bundle, rows), rest = _unpack_first(packed)
    paths, rest = _unpack_paths(rest)
    explanations, rest = _unpack_explanations(rest)
    more = {place: row for place, *row in _unpack(rest)} if rest else {}
    found, places = list[Outcome](), count()
    for row in rows:
        # The paths are those of the succeeded, in their order; so are the explanations.
        path = explanation = others = None
        if not isinstance(row[2], str):
            path, explanation, others = next(paths, None), next(explanations, None), more.get(next(places))
        if indices is None or row[0] in indices:
            outcome = _from_row(path, *row)
            if explanation:
                outcome = replace(outcome, explanation=explanation)
            found.append(_with_more(outcome, *others) if others else outcome)
    return bundle, found


def pack_sent(sent: Mapping[int, Sent]) -> bytes:
    """Pack what results give back, by the items' indexes; each distinct list of columns is packed once."""
    numbers: dict[tuple[str, ...], int] = {}
    rows: list[tuple[Any, ...]] = []
    for index, one in sent.items():
        if one.metadata is None:
            rows.append((index, one.title, None))
        else:
            number = numbers.setdefault(tuple(one.metadata), len(numbers))
            rows.append((index, one.title, number, *one.metadata.values()))
    return _pack([list(numbers), rows])


def unpack_sent(packed: bytes) -> dict[int, Sent]:
    columns, rows = _unpack(packed)
    return {
        index: Sent(title, None if number is None else dict(zip(columns[number], values, strict=True)))
        for index, title, number, *values in rows
    }


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


def _from_row(path: _Path | None, index: int, identifier: str, *rest: Any) -> Outcome:
    if isinstance(rest[0], str):
        status, error, message, pointer, line = rest
        return Outcome(index, identifier, ItemStatus(status), error=error, message=message, pointer=pointer, line=line)
    needs_review, cached, weights, guesses, text, image = rest
    return Outcome(
        index,
        identifier,
        guesses=tuple([_guess(*guess) for guess in guesses]),
        needs_review=needs_review,
        path=tuple(map(Guess, path.codes, path.confidences)) if path else (),
        sure=path.sure if path else _sure_alone(guesses, needs_review),
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


def _unpack_paths(packed: bytes) -> tuple[Iterator[_Path], bytes]:
    """Return the path of each outcome that succeeded, none if there are no paths, and what is behind them."""
    if not packed:
        return iter(()), b""
    (paths, rows), rest = _unpack_first(packed)
    return (_Path(paths[number], confidences, sure) for number, sure, *confidences in rows), rest


def _more(outcome: Outcome) -> tuple[str | None, _Row, bool]:
    """Return why it is audited, what is remembered, and whether it is provisional: few outcomes have any of these."""
    decided = outcome.remembered
    remembered = None if decided is None else (outcome.near_copy, *_REMEMBERED(decided))
    return outcome.audited, remembered, outcome.provisional


def _with_more(outcome: Outcome, audited: str | None, remembered: _Row, provisional: bool) -> Outcome:
    near_copy, *decided = remembered or (False,)
    return replace(
        outcome,
        audited=None if audited is None else AuditKind(audited),
        remembered=Decided(*decided) if decided else None,
        near_copy=near_copy,
        provisional=provisional,
    )


def _unpack_explanations(packed: bytes) -> tuple[Iterator[Explanation | None], bytes]:
    """Return the explanation of each outcome that succeeded, none if there are none, and what is behind them."""
    if not packed:
        return iter(()), b""
    rows, rest = _unpack_first(packed)
    return (None if row is None else _explanation(*row) for row in rows), rest


def _explanation(words: list[str], effects: list[float], phrases: Any, *thresholds: Any) -> Explanation:
    return Explanation(tuple(words), tuple(effects), tuple(map(tuple, phrases)), *thresholds)


def _guess(code: str | int, confidence: float) -> Guess:
    """Return a guess of a row, whose code may be written as a number."""
    return Guess(str(code), confidence)


def _pack(content: Any) -> bytes:
    return zlib.compress(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), level=3)


def _unpack_first(packed: bytes) -> tuple[Any, bytes]:
    """Return the content of the first stream, and the streams behind it."""
    stream = zlib.decompressobj()
    return json.loads(stream.decompress(packed)), stream.unused_data


def _unpack(packed: bytes) -> Any:
    return json.loads(zlib.decompress(packed))
