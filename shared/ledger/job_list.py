"""A tenant's jobs, newest first, page by page."""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple, Self

from redis import Redis

from shared.ledger.cursor import not_ours
from shared.ledger.records import Job
from shared.ledger.scripts import job_key
from shared.ledger.states import JobState
from shared.redis_access import PREFIX, in_bytes, in_seconds

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
    """The largest number of jobs on a page, and of those that are read for one."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)

    def page(
        self, tenant: str, limit: int, cursor: str | None = None, states: Collection[JobState] = frozenset()
    ) -> JobPage:
        """Return jobs of the tenant that were accepted before the one that the cursor names.

        A page may have fewer jobs than `limit` although more follow: their records may have expired, and with `states`
        no more than `LONGEST_PAGE` jobs are read for it.

        Args:
            limit: 1 to `LONGEST_PAGE`.
            states: Only jobs in one of these; all without any.

        Raises:
            CursorError: `cursor` is not one that this list returns.
        """
        after = _START if cursor is None else _Place.parse(cursor)
        most = self.LONGEST_PAGE if states else limit
        places = self._places(tenant, after, most + 1)
        found, gone, last = list[Job](), list[str](), after
        for place, job in self._read(places[:most]):
            if len(found) == limit:
                break
            last = place
            if job is None:
                gone.append(place.job_id)
            elif not states or job.state in states:
                found.append(job)
        if gone:
            self._redis.zrem(_key(tenant), *gone)
        more = bool(places) and last != places[-1]
        return JobPage(found, str(last) if more else None)

    def _places(self, tenant: str, after: _Place, most: int) -> list[_Place]:
        """Return at most this many places behind one, from those that have the same time on."""
        key, time = _key(tenant), repr(after.accepted_at)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrevrangebyscore(key, time, time, withscores=True)
            pipe.zrevrangebyscore(key, f"({time}", "-inf", start=0, num=most, withscores=True)
            together, earlier = pipe.execute()
        places = [_Place(score, job.decode()) for job, score in (*together, *earlier)]
        return [place for place in places if place < after][:most]

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
