"""The counters in Redis, per day (UTC, by Redis's clock) and bundle.

Keys, below the prefix `catalog:drift:`:

    {day}:{bundle}       hash: the counts of `shared.drift.profile.Profile`, and of labels; the day counts from 1970
    reference:{bundle}   JSON: the bundle's `Reference`
    days                 zset: "day bundle" → day
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import sqrt
from pathlib import Path

from redis import Redis

from shared.drift.profile import Profile, Reference, renamed
from shared.redis_access import PREFIX, LuaScripts, in_bytes, now

_PREFIX = f"{PREFIX}drift:"
_DAYS = f"{_PREFIX}days"
_EPOCH = date(1970, 1, 1)
_SCALE = 10_000
_LABELS, _RIGHT, _CONFIDENCE = "labels", "labels_right", "labels_confidence"
_SCRIPTS = LuaScripts(Path(__file__).parent / "lua")


@dataclass(frozen=True)
class Labels:
    """Labels of answers: their number, how many answers were right, and the confidences of these answers."""

    items: int = 0
    right: int = 0
    confidences: int = 0
    """Sum of the confidences, in units of their last decimal."""

    def __add__(self, other: "Labels") -> "Labels":
        return Labels(self.items + other.items, self.right + other.right, self.confidences + other.confidences)

    @property
    def accuracy(self) -> float | None:
        return self.right / self.items if self.items else None

    @property
    def accuracy_error(self) -> float | None:
        """The standard error of `accuracy` for a random sample, by Agresti and Coull (1998), so never zero."""
        if not self.items:
            return None
        share = (self.right + 2) / (self.items + 4)
        return sqrt(share * (1 - share) / (self.items + 4))

    @property
    def confidence(self) -> float | None:
        """The mean confidence of the same answers, which is their estimated accuracy."""
        return self.confidences / _SCALE / self.items if self.items else None


@dataclass(frozen=True)
class DayCounts:
    """A bundle's day, or several days together."""

    first: date
    last: date
    profile: Profile
    """Without the categories that the bundle's reference has no bin of their own for."""
    labels: Labels


@dataclass(frozen=True)
class BundleDrift:
    """All that is kept of a bundle."""

    bundle: str
    reference: Reference | None
    """`None`: it was trained before bundles had one."""
    days: tuple[DayCounts, ...]
    """Days on which it answered, or one of its answers was labelled, oldest first."""


class Drift:
    """The counters. Args: keep_days: how long a day's counters stay."""

    def __init__(self, redis: Redis, keep_days: int) -> None:
        self._redis = in_bytes(redis)
        self._keep_s = keep_days * 24 * 3600
        self._count = _SCRIPTS.load(redis, "count")

    def count(self, bundle: str, profile: Profile, reference: Reference | None = None) -> None:
        """Add a chunk's answers to today's counters in one round trip.

        Args:
            reference: The bundle's: counts that are not compared with it are not kept.
        """
        if profile.items:
            kept = profile if reference is None else profile.comparable_with(reference.profile)
            pairs = [part for pair in kept.counts.items() for part in pair]
            self._count(args=[self._keep_s, bundle, *pairs])

    def publish(self, bundle: str, reference: Reference | None) -> None:
        """Let the API know what the bundle is compared with; it is cheap to repeat."""
        if reference is not None:
            self._redis.set(f"{_PREFIX}reference:{bundle}", reference.model_dump_json(), nx=True, ex=self._keep_s)

    def reference(self, bundle: str) -> Reference | None:
        """Return what the bundle is compared with; `None` if it has nothing, or no worker has published it yet."""
        packed = self._redis.get(f"{_PREFIX}reference:{bundle}")
        return None if packed is None else Reference.model_validate_json(packed)

    def label(self, bundle: str, day: date, confidence: float, right: bool) -> None:
        """Count an answer that was confirmed or corrected.

        Args:
            day: The day of the answer (UTC).
            confidence: The answer's confidence.
            right: Whether the label confirms the answer's product type.
        """
        number = (day - _EPOCH).days
        key = f"{_PREFIX}{number}:{bundle}"
        with self._redis.pipeline() as pipe:
            pipe.hincrby(key, _LABELS, 1)
            pipe.hincrby(key, _RIGHT, int(right))
            pipe.hincrby(key, _CONFIDENCE, round(confidence * _SCALE))
            pipe.expire(key, self._keep_s)
            pipe.zadd(_DAYS, {f"{number} {bundle}": number})
            pipe.execute()

    def today(self) -> date:
        return datetime.fromtimestamp(now(self._redis), UTC).date()

    def read(self) -> list[BundleDrift]:
        """Every bundle that is kept, the one that answered last first.

        Of a bundle with a reference, only the counts that are compared with it are read: of thousands of categories,
        few.
        """
        members = [member.decode().split(" ") for member in self._redis.zrange(_DAYS, 0, -1)]
        bundles = sorted({bundle for _, bundle in members})
        references = {bundle: self.reference(bundle) for bundle in bundles}
        names = {
            bundle: (_LABELS, _RIGHT, _CONFIDENCE, *reference.profile.compared)
            for bundle, reference in references.items()
            if reference is not None
        }
        with self._redis.pipeline(transaction=False) as pipe:
            for day, bundle in members:
                key = f"{_PREFIX}{day}:{bundle}"
                pipe.hmget(key, names[bundle]) if bundle in names else pipe.hgetall(key)
            answers = pipe.execute()
        days: dict[str, list[DayCounts]] = {bundle: [] for bundle in bundles}
        for (day, bundle), found in zip(members, answers, strict=True):
            pairs = zip(names[bundle], found, strict=True) if bundle in names else _decoded(found)
            fields = {name: int(value) for name, value in pairs if value is not None}
            if fields:  # else the day has expired
                days[bundle].append(_day(_EPOCH + timedelta(days=int(day)), fields))
        kept = [BundleDrift(bundle, references[bundle], tuple(days[bundle])) for bundle in bundles if days[bundle]]
        return sorted(kept, key=lambda drift: drift.days[-1].last, reverse=True)


def total(days: Iterable[DayCounts], first: date, last: date) -> DayCounts:
    """Add up the days from `first` to `last`."""
    within = [day for day in days if first <= day.first and day.last <= last]
    profile = sum((day.profile for day in within), Profile())
    return DayCounts(first, last, profile, sum((day.labels for day in within), Labels()))


def _decoded(fields: Mapping[bytes, bytes]) -> Iterator[tuple[str, bytes]]:
    return ((name.decode(), value) for name, value in fields.items())


def _day(day: date, fields: Mapping[str, int]) -> DayCounts:
    counts = Counter(fields)
    labels = Labels(counts.pop(_LABELS, 0), counts.pop(_RIGHT, 0), counts.pop(_CONFIDENCE, 0))
    return DayCounts(day, day, Profile(renamed(counts)), labels)
