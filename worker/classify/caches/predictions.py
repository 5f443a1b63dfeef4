"""A cache of answers to items, in Redis, so that all workers share it.

Redis also holds the ledger and must not evict anything, so the cache limits itself; `lua/common.lua` says how.
"""

import hashlib
import json
import logging
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Self

from redis import Redis, RedisError

from shared.code_hash import code_hash
from shared.ledger import Guess, ItemStatus, Outcome, PictureUse, QueuedItem
from shared.model.projection import Projection
from shared.model.review import PLACES
from shared.redis_access import LuaScripts

log = logging.getLogger(__name__)

_SCRIPTS = LuaScripts(Path(__file__).parent / "lua")
_ANSWERING = (
    "shared/markup.py",
    "shared/model",
    "shared/picture_files",
    "shared/taxonomy",
    "shared/words.py",
    "worker/classify",
    "worker/serving/batching.py",
    "worker/serving/engine.py",
)
"""The code that an answer to an item depends on; `tests/unit/shared/test_code_hash.py` holds it against the imports."""

_SCALE = 10**PLACES
_CHECKSUM, _HEAD, _SHARE, _WEIGHTS, _GUESS = map(Struct, ("<I", "<BBBHH", "<H", "<HH", "<HH"))
_LOOK = Struct("<Q")
"""A category is the number of its column: the key names the bundle and the taxonomy, which tell its code."""
_LONGEST = 2**16 - 1
"""The largest number of words stored: more than any bin of a profile distinguishes."""
_NEEDS_REVIEW, _TEXT, _IMAGE, _WEIGHTED, _NOT_LOOKED_AT, _DOUBTFUL, _LOOKS = 1, 2, 4, 8, 16, 32, 64


def prediction_key(
    bundle: str, runtime: str, taxonomy: str, pictures: PictureUse, item: QueuedItem, tenant: str = ""
) -> bytes:
    """Return 16 bytes that identify the answer to an item.

    Args:
        bundle: The bundle's id.
        runtime: The runtime's name; another precision gives another answer.
        taxonomy: The version of the taxonomy in force: a merge changes the answers to items that were sent before it.
        pictures: Which of them the job has the model look at.
        item: One whose picture, if it has one, is in the blob store, under the sha256 of its bytes.
        tenant: The owner; another tenant must not learn from `cached` what this one has sent.
    """
    answering = (code_hash(*_ANSWERING), bundle, runtime, taxonomy, pictures, tenant)
    parts = (*answering, item.title, item.description, item.blob)
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An `Outcome` without its item's id, as the bundle's own threshold judges it."""

    guesses: tuple[Guess, ...]
    needs_review: bool
    path: tuple[Guess, ...]
    sure: int
    text: Guess | None
    image: Guess | None
    weights: tuple[float, float] | None
    words: int = 0
    unknown: float = 0.0
    not_looked_at: bool = False
    doubtful: bool = False
    look: int = 0

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        answer = (outcome.guesses, outcome.needs_review, outcome.path, outcome.sure)
        branches = (outcome.text, outcome.image, outcome.weights)
        read = (outcome.words, outcome.unknown)
        return cls(*answer, *branches, *read, outcome.not_looked_at, outcome.doubtful, outcome.look)

    def outcome(self, item: QueuedItem) -> Outcome:
        return Outcome(
            index=item.index,
            id=item.id,
            guesses=self.guesses,
            needs_review=self.needs_review,
            path=self.path,
            sure=self.sure,
            text=self.text,
            image=self.image,
            weights=self.weights,
            cached=True,
            words=self.words,
            unknown=self.unknown,
            not_looked_at=self.not_looked_at,
            doubtful=self.doubtful,
            look=self.look,
        )


class PredictionCache:
    """A cache for any number of threads and processes.

    Args:
        limit: The number of answers to keep. The latest half is always kept, so a catalogue of that size is found
            completely when it is sent again. Below 2 the cache is off.
    """

    def __init__(self, redis: "Redis", limit: int) -> None:
        self._share = limit // 2
        self._get = _SCRIPTS.load(redis, "get")
        self._put = _SCRIPTS.load(redis, "put")
        self._trim = _SCRIPTS.load(redis, "trim")

    def get(self, keys: Sequence[bytes], projection: Projection) -> list[CachedAnswer | None]:
        """Return the cached answer for each key, or `None`; takes one round trip.

        Args:
            projection: The one whose bundle and taxonomy the keys name.
        """
        if not keys or not self._share:
            return [None] * len(keys)
        try:
            values = self._get(args=[self._share, *keys])
        except RedisError as error:
            log.warning("no cached predictions, %d items are computed: %s", len(keys), error)
            return [None] * len(keys)
        return [None if value is None else _unpacked(value, projection) for value in values]

    def put(self, outcomes: Mapping[bytes, Outcome], projection: Projection) -> None:
        """Cache the outcomes that succeeded and did not come from the cache; takes one round trip."""
        if not self._share:
            return
        packed: list[bytes] = []
        for key, outcome in outcomes.items():
            if outcome.status is ItemStatus.SUCCEEDED and not outcome.cached:
                value = _packed(outcome, projection)
                packed += (key, value) if value is not None else ()
        if not packed:
            return
        try:
            self._put(args=[self._share, *packed])
        except RedisError as error:
            log.warning("predictions are not cached: %s", error)

    def trim(self) -> int:
        """Drop entries beyond the limit, which may have been lowered; returns how many were dropped.

        Raises:
            RedisError: Redis cannot be reached.
        """
        return int(self._trim(args=[self._share]))


def pack(answer: CachedAnswer, projection: Projection) -> bytes:
    """Pack an answer: 39 bytes with four guesses and both branches, two for each category above, and eight for a look.

    Numbers are kept to `PLACES` decimals, as in outcomes.

    Raises:
        KeyError: the projection lacks a code, or the path is not that of the first guess.
        struct.error, ValueError, OverflowError: a number is outside the range of answers.
    """
    flags = (
        _NEEDS_REVIEW * answer.needs_review
        | _TEXT * (answer.text is not None)
        | _IMAGE * (answer.image is not None)
        | _WEIGHTED * (answer.weights is not None)
        | _NOT_LOOKED_AT * answer.not_looked_at
        | _DOUBTFUL * answer.doubtful
        | _LOOKS * (answer.look != 0)
    )
    path = tuple(guess.code for guess in answer.path)
    if path != _path(projection, answer.guesses):
        raise KeyError(path)
    guesses = [*(guess for guess in (answer.text, answer.image) if guess is not None), *answer.guesses]
    head = (flags, answer.sure, len(path), min(answer.words, _LONGEST), round(answer.unknown * _SCALE))
    body = _HEAD.pack(*head) + b"".join(_SHARE.pack(round(guess.confidence * _SCALE)) for guess in answer.path)
    if answer.look:
        body += _LOOK.pack(answer.look)
    if answer.weights is not None:
        body += _WEIGHTS.pack(*(round(weight * _SCALE) for weight in answer.weights))
    body += b"".join(_GUESS.pack(projection.columns[guess.code], round(guess.confidence * _SCALE)) for guess in guesses)
    return _CHECKSUM.pack(zlib.crc32(body)) + body


def unpack(packed: bytes, projection: Projection) -> CachedAnswer:
    """Unpack an answer; raises `ValueError` for anything that `pack` did not write with this projection."""
    body = packed[_CHECKSUM.size :]
    if packed[: _CHECKSUM.size] != _CHECKSUM.pack(zlib.crc32(body)) or not body:
        raise ValueError("the checksum is wrong")
    flags, sure, depth, length, unknown = _HEAD.unpack_from(body)
    look, weights, start = 0, None, _HEAD.size + depth * _SHARE.size
    shares = [share / _SCALE for (share,) in _SHARE.iter_unpack(body[_HEAD.size : start])]
    if flags & _LOOKS:
        (look,), start = _LOOK.unpack_from(body, start), start + _LOOK.size
    if flags & _WEIGHTED:
        text, image = _WEIGHTS.unpack_from(body, start)
        weights, start = (text / _SCALE, image / _SCALE), start + _WEIGHTS.size
    codes = projection.codes
    columns = list(_GUESS.iter_unpack(body[start:]))
    if any(column >= len(codes) for column, _ in columns):
        raise ValueError("it was answered with other categories")
    guesses = [Guess(codes[column], confidence / _SCALE) for column, confidence in columns]
    branch_guesses = {branch: guesses.pop(0) for branch in (_TEXT, _IMAGE) if flags & branch}
    path = _path(projection, guesses)
    if len(path) != depth:
        raise ValueError("it was answered with other categories")
    return CachedAnswer(
        guesses=tuple(guesses),
        needs_review=bool(flags & _NEEDS_REVIEW),
        path=tuple(map(Guess, path, shares)),
        sure=sure,
        text=branch_guesses.get(_TEXT),
        image=branch_guesses.get(_IMAGE),
        weights=weights,
        words=length,
        unknown=unknown / _SCALE,
        not_looked_at=bool(flags & _NOT_LOOKED_AT),
        doubtful=bool(flags & _DOUBTFUL),
        look=look,
    )


def _path(projection: Projection, guesses: Sequence[Guess]) -> tuple[str, ...]:
    """The codes above the first guess."""
    return projection.levels.paths[projection.columns[guesses[0].code]] if guesses else ()


def _packed(outcome: Outcome, projection: Projection) -> bytes | None:
    try:
        return pack(CachedAnswer.of(outcome), projection)
    except (struct.error, LookupError, ValueError, OverflowError) as error:
        log.warning("a prediction cannot be cached: %s", error)
        return None


def _unpacked(value: bytes, projection: Projection) -> CachedAnswer | None:
    try:
        return unpack(value, projection)
    except (struct.error, LookupError, ValueError) as error:
        log.warning("a cached prediction cannot be read: %s", error)
        return None
