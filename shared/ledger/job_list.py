"""A tenant's jobs, newest first, page by page."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from redis import Redis

from shared.ledger.cursor import not_ours
from shared.ledger.job_filter import EVERY_JOB, JobFilter
from shared.ledger.records import Job
from shared.ledger.scripts import job_key
from shared.redis_access import PREFIX, in_bytes, in_seconds

_AT_ONCE = 50
_LOOKED_AT_BYTES = 1_000_000
"""When that much metadata has been looked at for a page, the page ends: 16 pairs may be long."""
_HALF_A_MICROSECOND = 5e-7
"""Clients read times in microseconds, the list has them a little more exactly."""
_PLACE = re.compile(r"([0-9]{1,10}\.[0-9]{1,9})~([0-9a-f]{24})")


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, and where the next page begins."""

    jobs: list[Job]
    cursor: str | None
    """Cursor of the next page; `None` if nothing follows."""


class _Place(NamedTuple):
    """When a job was accepted, and its id: the order of the list, also when that job is no longer in it."""

    accepted_at: float
    job_id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        if (form := _PLACE.fullmatch(text)) is None:
            raise not_ours(text)
        return cls(float(form[1]), form[2])

    def __str__(self) -> str:
        return f"{self.accepted_at!r}~{self.job_id}"


_START = _Place(math.inf, "")


class JobList:
    """The lists of tenants' jobs in Redis, which the step that opens a job writes."""

    LONGEST_PAGE = 200
    """The largest number of jobs on a page."""
    MOST_LOOKED_AT = 1000
    """The largest number of jobs that a filter looks at for a page."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)

    def page(self, tenant: str, limit: int, cursor: str | None = None, wanted: JobFilter = EVERY_JOB) -> JobPage:
        """Return jobs of the tenant that were accepted before the one that the cursor names.

        A page may have fewer jobs than `limit` although more follow: their records may have expired, and no more than
        `MOST_LOOKED_AT` jobs are looked at for it.

        Args:
            limit: 1 to `LONGEST_PAGE`.

        Raises:
            CursorError: `cursor` is not one that this list returns.
        """
        after = _START if cursor is None else _Place.parse(cursor)
        after = min(after, _Place(wanted.before - _HALF_A_MICROSECOND, ""))
        most = self.MOST_LOOKED_AT if wanted.fields else limit
        places = self._places(tenant, after, wanted.since - _HALF_A_MICROSECOND, most + 1)
        chosen, gone, looked_at = self._choose(places[:most], limit, wanted)
        found = list[Job]()
        for place, job in self._read(chosen):
            if job is None:
                gone.append(place.job_id)
            elif not wanted.states or job.state in wanted.states:  # it may have changed since it was chosen
                found.append(job)
        if gone:
            self._redis.zrem(_key(tenant), *gone)
        return JobPage(found, str(places[looked_at - 1]) if looked_at < len(places) else None)

    def _places(self, tenant: str, after: _Place, since: float, most: int) -> list[_Place]:
        """Return at most this many places behind one, from those that have the same time on."""
        key, time = _key(tenant), repr(after.accepted_at)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrevrangebyscore(key, time, time, withscores=True)
            pipe.zrevrangebyscore(key, f"({time}", repr(since), start=0, num=most, withscores=True)
            together, earlier = pipe.execute()
        places = [_Place(score, job.decode()) for job, score in (*together, *earlier)]
        return [place for place in places if place < after and place.accepted_at >= since][:most]

    def _choose(self, places: list[_Place], limit: int, wanted: JobFilter) -> tuple[list[_Place], list[str], int]:
        """Return the places of wanted jobs, the ids of those without a record, and how many places were looked at."""
        if not wanted.fields:
            return places, [], len(places)
        chosen, gone = list[_Place](), list[str]()
        looked_at, size = 0, 0
        while looked_at < len(places) and size < _LOOKED_AT_BYTES:
            some = places[looked_at : looked_at + _AT_ONCE]
            for place, (state, *texts) in zip(some, self._fields(some, wanted.fields), strict=True):
                looked_at += 1
                size += sum(len(text or b"") for text in texts)
                if state is None:
                    gone.append(place.job_id)
                elif wanted.takes(place.job_id, state, *texts):
                    chosen.append(place)
                if len(chosen) == limit:
                    return chosen, gone, looked_at
        return chosen, gone, looked_at

    def _fields(self, places: list[_Place], fields: tuple[str, ...]) -> Sequence[Sequence[bytes | None]]:
        with self._redis.pipeline(transaction=False) as pipe:
            for place in places:
                pipe.hmget(job_key(place.job_id), fields)
            return list(pipe.execute())

    def _read(self, places: list[_Place]) -> list[tuple[_Place, Job | None]]:
        """Return the jobs at these places, with `None` for a record that has expired."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for place in places:
                pipe.hgetall(job_key(place.job_id))
            time, *records = pipe.execute()
        read_at = in_seconds(time)
        return [
            (place, Job.read(place.job_id, fields, read_at) if fields else None)
            for place, fields in zip(places, records, strict=True)
        ]


def _key(tenant: str) -> str:
    return f"{PREFIX}jobs:{tenant}"
