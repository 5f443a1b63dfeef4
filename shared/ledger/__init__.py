"""The ledger: the only owner of job state. Every change is one atomic step in Redis.

A job is split into chunks. A worker leases a chunk, works, and commits it; a lease that runs out makes the chunk ready
again. Celery messages only wake workers up, so one that is lost, late or doubled does no harm.
"""

import re
import secrets
from collections.abc import Sequence
from typing import Any

from redis import Redis

from shared.ledger import scripts
from shared.ledger.records import (
    Guess,
    Job,
    Lease,
    Outcome,
    Page,
    QueuedItem,
    pack_items,
    pack_outcomes,
    unpack_items,
    unpack_outcomes,
)
from shared.ledger.states import TERMINAL, TRANSITIONS, JobState

__all__ = [
    "LEASE_S", "TERMINAL", "TRANSITIONS", "CursorError", "Guess", "Job", "JobNotFoundError", "JobState", "Lease",
    "Ledger", "Outcome", "Page", "QueuedItem",
]  # fmt: skip

LEASE_S = 15.0
"""A chunk whose holder has not renewed its lease for so long is given to another."""

_STAGING_S = 3600
_PREFIX = "catalog:"
_START = "0.0"
_ID = re.compile("[0-9a-f]{24}")
_CURSOR = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})")


class JobNotFoundError(LookupError):
    """No such job: it never was, or its results were kept long enough."""


class CursorError(ValueError):
    """A cursor that this ledger never gave out."""


class Ledger:
    """Job state in Redis.

    Args:
        redis: A client that does not decode responses.
        keep_s: Seconds for which an ended job and its results stay readable.
    """

    def __init__(self, redis: "Redis", keep_s: int) -> None:
        self._redis: Any = redis  # redis-py's types cannot say that answers are bytes
        self._keep_s = keep_s
        self._open = redis.register_script(scripts.OPEN)
        self._lease = redis.register_script(scripts.LEASE)
        self._renew = redis.register_script(scripts.RENEW)
        self._commit = redis.register_script(scripts.COMMIT)
        self._release = redis.register_script(scripts.RELEASE)
        self._cancel = redis.register_script(scripts.CANCEL)
        self._take = redis.register_script(scripts.TAKE)

    # Accepting a job

    @staticmethod
    def new_id() -> str:
        return secrets.token_hex(12)

    def stage(self, job: str, chunk: int, items: Sequence[QueuedItem]) -> None:
        """Put a chunk's input there before the job exists; what is never opened vanishes within the hour."""
        with self._redis.pipeline() as pipe:
            pipe.hset(_key(job, "input"), str(chunk), pack_items(items))
            pipe.expire(_key(job, "input"), _STAGING_S)
            pipe.execute()

    def discard(self, job: str) -> None:
        """Forget what was staged."""
        self._redis.delete(_key(job, "input"))

    def open(
        self,
        job: str,
        *,
        total: int,
        chunks: int,
        lane: str,
        webhook_url: str | None = None,
        keep_s: int | None = None,
        tracked: bool = True,
    ) -> None:
        """Turn what was staged into a queued job, all of it at once.

        Args:
            keep_s: Seconds for which the ended job stays readable; the ledger's own figure where it is left out.
            tracked: Whether the ended job is due in the outbox `tracking`.
        """
        keep_s = self._keep_s if keep_s is None else keep_s
        self._open(args=[job, total, chunks, lane, webhook_url or "", keep_s, int(tracked)])

    # Working on it

    def lease(self, lane: str) -> Lease | None:
        """The next chunk of the lane, jobs taking turns; `None` when nothing is ready."""
        leased = self._lease(args=[lane, LEASE_S])
        if not leased:
            return None
        job, chunk, packed, attempt = leased
        return Lease(job.decode(), int(chunk), unpack_items(packed), int(attempt))

    def renew(self, leases: Sequence[Lease]) -> None:
        if leases:
            self._renew(args=[LEASE_S, *(lease.member for lease in leases)])

    def commit(self, lease: Lease, model: str, outcomes: Sequence[Outcome]) -> JobState | None:
        """Write a chunk's results; returns the job's state, or `None` where they came too late and changed nothing.

        Raises:
            ValueError: `outcomes` are not the leased items' (one each).
        """
        if sorted(outcome.index for outcome in outcomes) != [item.index for item in lease.items]:
            raise ValueError(f"job {lease.job} chunk {lease.chunk}: one outcome per item is needed")
        failed = sum(outcome.error is not None for outcome in outcomes)
        unsure = sum(outcome.needs_review for outcome in outcomes)
        packed = pack_outcomes(model, outcomes)
        state = self._commit(args=[lease.job, lease.chunk, packed, len(outcomes) - failed, failed, unsure])
        return JobState(state.decode()) if state else None

    def release(self, leases: Sequence[Lease]) -> None:
        """Hand chunks back unfinished, for another to take at once."""
        if leases:
            self._release(args=[lease.member for lease in leases])

    def recover(self) -> int:
        """Make chunks ready again whose lease has run out; returns how many."""
        seconds, microseconds = self._redis.time()
        lapsed = self._redis.zrange(f"{_PREFIX}leases", "-inf", seconds + microseconds / 1e6, byscore=True)
        if lapsed:
            self._release(args=lapsed)
        return len(lapsed)

    def ready(self, lane: str) -> int:
        """How many chunks of the lane wait for a worker."""
        jobs = self._redis.lrange(f"{_PREFIX}lane:{lane}", 0, -1)
        with self._redis.pipeline(transaction=False) as pipe:
            for job in jobs:
                pipe.llen(_key(job.decode(), "ready"))
            return sum(pipe.execute())

    def cancel(self, job: str) -> Job:
        """End the job now; what was committed stays readable. A job that has ended is left as it is.

        Raises:
            JobNotFoundError: there is no such job.
        """
        self.job(job)
        self._cancel(args=[job])
        return self.job(job)

    # Reading

    def job(self, job: str) -> Job:
        """Raises `JobNotFoundError`."""
        if not _ID.fullmatch(job):  # what a client sends must not lead to another key
            raise JobNotFoundError(job)
        fields = self._redis.hgetall(_key(job))
        if not fields:
            raise JobNotFoundError(job)
        return Job.read(job, fields)

    def results(self, job: str, cursor: str | None = None, limit: int = 1000) -> Page:
        """Outcomes behind `cursor`, in the order of their commit, also while the job runs.

        Raises:
            JobNotFoundError: there is no such job.
            CursorError: `cursor` is none of this ledger's.
        """
        ended = self.job(job).ended
        position, offset = _parse(cursor or _START)
        outcomes: list[tuple[str, Outcome]] = []
        while len(outcomes) < limit:
            committed = self._redis.lindex(_key(job, "committed"), position)
            if committed is None:
                return Page(outcomes, f"{position}.{offset}", complete=ended)
            model, chunk = unpack_outcomes(self._redis.hget(_key(job, "results"), committed.decode()) or b"")
            part = chunk[offset : offset + limit - len(outcomes)]
            outcomes += [(model, outcome) for outcome in part]
            offset += len(part)
            if offset >= len(chunk):
                position, offset = position + 1, 0
        behind = self._redis.llen(_key(job, "committed")) > position
        return Page(outcomes, f"{position}.{offset}", complete=ended and not behind)

    # Messages that are due when a job has ended

    def take_due(self, outbox: str, hold_s: float, limit: int = 100) -> list[str]:
        """Jobs whose message is due now; each comes up again after `hold_s` unless it is settled or postponed."""
        return [job.decode() for job in self._take(args=[outbox, hold_s, limit])]

    def settle(self, outbox: str, job: str) -> None:
        """The message is delivered, or given up."""
        self._redis.zrem(f"{_PREFIX}outbox:{outbox}", job)

    def postpone(self, outbox: str, job: str, delay_s: float) -> None:
        seconds, _ = self._redis.time()
        self._redis.zadd(f"{_PREFIX}outbox:{outbox}", {job: seconds + delay_s})

    def record_webhook(self, job: str, state: str) -> int:
        """Note an attempt's result on the job; returns how many attempts there were.

        Raises:
            JobNotFoundError: there is no such job.
        """
        self.job(job)
        with self._redis.pipeline() as pipe:
            pipe.hset(_key(job), "webhook_state", state)
            pipe.hincrby(_key(job), "webhook_attempts", 1)
            return int(pipe.execute()[1])


def done_key(job: str) -> str:
    """The list that gets one element once the job has ended; wait for it with BLMOVE or BLPOP."""
    return _key(job, "done")


def _key(job: str, part: str | None = None) -> str:
    return f"{_PREFIX}job:{job}" + (f":{part}" if part else "")


def _parse(cursor: str) -> tuple[int, int]:
    if (match := _CURSOR.fullmatch(cursor)) is None:
        raise CursorError(f"{cursor!r} is no cursor: pass on the one that the page before gave")
    return int(match[1]), int(match[2])
