"""A job's life: staged, opened, leased chunk by chunk, committed, ended."""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from redis import Redis, ResponseError
from redis.commands.core import Script

from shared import redis_access
from shared.ledger.facets import Facets
from shared.ledger.freeing import Freeing
from shared.ledger.idempotency import Claim
from shared.ledger.open_items import pack_likeness
from shared.ledger.packing import pack_items, pack_outcomes, pack_sent, unpack_items
from shared.ledger.quotas import MEMORY, MemoryFullError, MemoryQuota, QuotaExceededError
from shared.ledger.records import Job, LaneStatus, Lease, NewJob, Outcome, QueuedItem, Sent
from shared.ledger.scripts import job_key, load
from shared.ledger.states import ItemStatus, JobState, PictureUse
from shared.redis_access import PREFIX, in_bytes, in_seconds

LEASE_S = 8.0
"""A chunk whose lease was not renewed for this long goes to another worker."""

MAX_DEADLINE_S = 7 * 24 * 3600
"""A job that has not ended by then expires; it may ask for less."""

STAGING_S = 60
"""What a request has staged disappears after this time, unless the request is still under way and renews it."""

JOB_ID = re.compile("[0-9a-f]{24}")

_ON_DISK_S = 3
_AT_ONCE = 1000
_LOOK_AT = 1000
_RATE_WINDOWS = 6
_WINDOW_S = 10


class JobNotFoundError(LookupError):
    """No such job: it never existed, or its record has expired."""


class QueueFullError(RuntimeError):
    """The lane has too many items waiting to accept more."""


class SupersededError(RuntimeError):
    """The idempotency key now belongs to another request, so this one must not open a job."""


class StagingLostError(RuntimeError):
    """The staged items are gone: the request took too long, or Redis was emptied."""


class NotOnDiskError(RuntimeError):
    """The job is open, but Redis has not confirmed in time that it is on disk, there and on replicas."""


class Ledger:
    """Job state in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)
        self._open = load(redis, "open")
        self._stage = load(redis, "stage")
        self._discard = load(redis, "discard")
        self._keep_staged = load(redis, "keep_staged")
        self._confirm = load(redis, "confirm")
        self._room = load(redis, "room")
        self._lease = load(redis, "lease")
        self._renew = load(redis, "renew")
        self._commit = load(redis, "commit")
        self._release = load(redis, "release")
        self._defer = load(redis, "defer")
        self._recover = load(redis, "recover")
        self._cancel = load(redis, "cancel")
        self._freeing = Freeing(redis)
        self._expire = load(redis, "expire")
        self._ready = load(redis, "ready")

    def now(self) -> float:
        """Seconds since the epoch by Redis's clock, the one that all processes share."""
        return redis_access.now(self._redis)

    # Accepting a job

    @staticmethod
    def new_id() -> str:
        return secrets.token_hex(12)

    def check_room(self, lane: str, tenant: str, items: int, max_queued: int, max_waiting: int | None) -> None:
        """Raise `QuotaExceededError` or `QueueFullError` if this many more items could not wait now.

        `open` decides; this is for telling the client before a long body is read.
        """
        limits = [max_queued, *([] if max_waiting is None else [max_waiting])]
        _check_accepted(self._room(args=[lane, tenant, items, *limits]), lane, max_waiting)

    def stage(
        self,
        job: str,
        chunk: int,
        items: Sequence[QueuedItem],
        memory: MemoryQuota | None = None,
        sent: Mapping[int, Sent] | None = None,
    ) -> None:
        """Stage a chunk's items before the job exists; they expire unless `keep_staged` renews them.

        Args:
            memory: What the chunk counts towards; nothing is checked or counted without it.
            sent: What results give back of the items with these indexes, as far as the items do not hold it.

        Raises:
            QuotaExceededError, MemoryFullError: The chunk was not staged.
        """
        self._put(job, "input", chunk, pack_items(items), memory, sent)

    def stage_invalid(
        self,
        job: str,
        chunk: int,
        outcomes: Sequence[Outcome],
        memory: MemoryQuota | None = None,
        sent: Mapping[int, Sent] | None = None,
    ) -> None:
        """Stage a chunk of invalid items, which are skipped: their outcomes are known before the job exists.

        Arguments and errors are those of `stage`.
        """
        self._put(job, "results", chunk, pack_outcomes("", outcomes), memory, sent)

    def _put(
        self,
        job: str,
        part: str,
        chunk: int,
        packed: bytes,
        memory: MemoryQuota | None,
        sent: Mapping[int, Sent] | None,
    ) -> None:
        given_back = pack_sent(sent) if sent else b""
        args: list[str | int | float | bytes] = [job, part, chunk, packed, given_back, STAGING_S]
        if memory is not None:
            args += [memory.tenant, memory.share, memory.tenants_share]
        match self._stage(args=args):
            case [b"tenant", _, used, limit]:
                raise QuotaExceededError(MEMORY, used, limit)
            case [b"all", _, used, limit]:
                raise MemoryFullError(used, limit)

    def keep_staged(self, job: str, tenant: str = "") -> None:
        """Renew what is staged for a job of this tenant that is not open yet."""
        self._keep_staged(args=[job, STAGING_S, tenant])

    def discard(self, job: str, tenant: str = "") -> None:
        """Remove the staged items, which counted towards this tenant's memory, unless the job has been opened."""
        self._discard(args=[job, tenant])

    def open(
        self,
        job: str,
        new: NewJob,
        *,
        claim: Claim | None = None,
        fingerprint: str = "",
        keep_claim_s: int = 0,
        on_disk: bool = False,
        replicas: int = 0,
    ) -> bool:
        """Turn the staged chunks into a queued job in one step.

        Args:
            claim: The idempotency key's claim; in the same step the key leads to the job, for `keep_claim_s`.
            on_disk: Wait until Redis has the job in its append-only file on disk.
            replicas: Wait until this many replicas have it there, too.

        Returns:
            Whether the job is known to be where it should: false if nothing is asked for, or if this Redis cannot tell
            and no replicas are asked for.

        Raises:
            QueueFullError, QuotaExceededError, SupersededError, StagingLostError: No job was opened; staged chunks are
                still there.
            NotOnDiskError: The job is open, but not known to be there.
        """
        facts = {**asdict(new), "id": job, "keep": new.keep_s, "keep_record": new.keep_record_s}
        facts["tracked"], facts["keep_inputs"] = int(new.tracked), int(new.keep_inputs)
        facts["explain"] = 1 if new.explain else None
        facts["columns"] = json.dumps(new.columns) if new.columns else None
        facts["metadata"] = json.dumps(dict(new.metadata), ensure_ascii=False) if new.metadata else None
        if claim is not None:
            answer = {"key": claim.key, "token": claim.token, "fingerprint": fingerprint, "keep_s": keep_claim_s}
            facts["idempotency"] = answer
        present = json.dumps({name: value for name, value in facts.items() if value is not None})
        opened, synced = self._written(self._open, present, on_disk, replicas)
        _check_accepted(opened, new.lane, new.max_waiting)
        match opened:
            case b"superseded":
                raise SupersededError
            case b"lost":
                raise StagingLostError
        return _confirmed(job, synced, on_disk, replicas)

    def confirm(self, job: str, *, on_disk: bool = True, replicas: int = 0) -> bool:
        """Wait for an open job as `open` does, with the same arguments and result.

        Raises:
            JobNotFoundError: There is no such job.
            NotOnDiskError: It is not known to be there.
        """
        found, synced = self._written(self._confirm, job, on_disk, replicas)
        if not found:
            raise JobNotFoundError(job)
        return _confirmed(job, synced, on_disk, replicas)

    def _written(self, step: Script, argument: str, on_disk: bool, replicas: int) -> tuple[Any, Any]:
        """Return the step's reply, and WAITAOF's if it is asked for; raises what the step raises."""
        # One connection, without MULTI: WAITAOF waits for what was written on its own connection.
        with self._redis.pipeline(transaction=False) as pipe:
            step(args=[argument], client=pipe)
            if on_disk or replicas:
                pipe.execute_command("WAITAOF", int(on_disk), replicas, _ON_DISK_S * 1000)
            reply, *synced = pipe.execute(raise_on_error=False)
        if isinstance(reply, Exception):
            raise reply
        return reply, synced[0] if synced else None

    # Working on it

    def lease(self, lane: str) -> Lease | None:
        """Lease the next chunk of the lane, tenants taking turns, and jobs of a tenant; `None` if no chunk is ready."""
        leased = self._lease(args=[lane, LEASE_S])
        if not leased:
            return None
        job, chunk, packed, attempt, losses, tenant, traceparent, pictures, explain = leased
        items, parent = unpack_items(packed), traceparent and traceparent.decode()
        use = PictureUse(pictures.decode()) if pictures else PictureUse.WHEN_NEEDED
        return Lease(
            job.decode(), int(chunk), items, int(attempt), int(losses), tenant.decode(), parent, use, bool(explain)
        )

    def renew(self, leases: Sequence[Lease]) -> None:
        if leases:
            self._renew(args=[LEASE_S, *(lease.member for lease in leases)])

    def commit(self, lease: Lease, bundle: str, outcomes: Sequence[Outcome]) -> JobState | None:
        """Write a chunk's outcomes; return the job's state, or `None` if they came too late and changed nothing.

        Raises:
            ValueError: `outcomes` are not exactly one per leased item.
        """
        if sorted(outcome.index for outcome in outcomes) != [item.index for item in lease.items]:
            raise ValueError(f"job {lease.job_id} chunk {lease.chunk}: one outcome per item is needed")
        outcomes = sorted(outcomes, key=lambda outcome: outcome.index)  # a cursor may stand between two of them
        failed = {outcome.index for outcome in outcomes if outcome.status is ItemStatus.FAILED}
        unsure = sum(outcome.to_review for outcome in outcomes)
        again = pack_items([item for item in lease.items if item.index in failed]) if failed else b""
        packed = pack_outcomes(bundle, outcomes)
        counts = (len(outcomes) - len(failed), len(failed), unsure)
        facets, likeness = Facets.of(bundle, outcomes).write(), pack_likeness(lease.items, outcomes)
        state = self._commit(args=[lease.job_id, lease.chunk, packed, again, *counts, bundle, facets, likeness])
        return JobState(state.decode()) if state else None

    def release(self, leases: Sequence[Lease]) -> None:
        """Return unfinished chunks, which another worker can take at once."""
        if leases:
            self._release(args=[lease.member for lease in leases])

    def defer(self, lease: Lease, delay_s: float, *, lost: bool = True) -> None:
        """Return a chunk that could not be processed: it is ready again after a pause.

        Args:
            lost: Whether the lease counts as lost, because the chunk itself may be the cause.
        """
        self._defer(args=[delay_s, lease.member, int(lost)])

    def recover(self) -> int:
        """Make chunks whose leases have run out ready again; return how many count as lost."""
        return int(self._recover(args=[_AT_ONCE]))

    def expire(self) -> int:
        """End the jobs whose deadlines have passed; return their number."""
        return int(self._expire(args=[_AT_ONCE]))

    def cancel(self, job: str) -> Job:
        """End the job now; committed results stay readable. A job that has ended already is not changed.

        Of items that were not classified only their ids are kept, to be listed.

        Raises:
            JobNotFoundError: There is no such job.
        """
        self.job(job)
        self._cancel(args=[job])
        self._freeing.free(job)
        return self.job(job)

    def free_cancelled(self) -> None:
        """Free the items of cancelled jobs, where the process that cancelled them ended before it could."""
        self._freeing.free_all()

    # Reading

    def job(self, job: str) -> Job:
        """Raises `JobNotFoundError`."""
        if not JOB_ID.fullmatch(job):  # a client's text must not lead to another key
            raise JobNotFoundError(job)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(job_key(job))
            pipe.time()
            fields, time = pipe.execute()
        if not fields:
            raise JobNotFoundError(job)
        return Job.read(job, fields, in_seconds(time))

    def ready(self, lane: str) -> int:
        """Return the number of chunks that wait for a worker, of the lane's first 1,000 jobs."""
        return int(self._ready(args=[lane, _LOOK_AT]))

    def pending(self, lane: str) -> int:
        """Return the number of the lane's items without an outcome."""
        return int(self._redis.get(f"{PREFIX}pending:{lane}") or 0)

    def rate(self, lane: str) -> float:
        """Return the lane's outcomes per second over the last minute."""
        return _rate(self._redis.mget(_rate_windows(lane, self.now())))

    def lane_status(self, job: Job) -> LaneStatus:
        """Return the state of the job's lane when the job was read, in one round trip because clients poll."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrank(f"{PREFIX}turns:{job.lane}:{job.tenant}", job.id)
            pipe.zrank(f"{PREFIX}turns:{job.lane}", job.tenant)
            pipe.zcard(f"{PREFIX}turns:{job.lane}")
            pipe.get(f"{PREFIX}pending:{job.lane}")
            pipe.mget(_rate_windows(job.lane, job.read_at))
            round_, in_round, tenants, pending, windows = pipe.execute()
        position = None if round_ is None or in_round is None else round_ * tenants + in_round
        return LaneStatus(position, int(pending or 0), _rate(windows))


def _rate_windows(lane: str, now: float) -> list[str]:
    """Return the keys of the last minute's counts, without the unfinished window, which would lower the rate."""
    this = int(now) // _WINDOW_S
    return [f"{PREFIX}done:{lane}:{this - back}" for back in range(1, _RATE_WINDOWS + 1)]


def _rate(windows: list[bytes | None]) -> float:
    found = [int(count) for count in windows if count is not None]
    return sum(found) / (len(found) * _WINDOW_S) if found else 0.0


def _check_accepted(answer: Any, lane: str, max_waiting: int | None) -> None:
    """Raise the error that an atomic step's refusal `{whose limit, what, items that wait}` stands for."""
    match answer:
        case [b"tenant", _, waiting]:
            raise QuotaExceededError(lane, waiting, max_waiting or 0)
        case [b"all", _, _]:
            raise QueueFullError


def _confirmed(job: str, synced: Any, on_disk: bool, replicas: int) -> bool:
    """Interpret WAITAOF's reply: [local, replicas], or an error from a Redis without WAITAOF or append-only file."""
    if synced is None:
        return False
    if isinstance(synced, ResponseError) and not replicas:
        return False
    if isinstance(synced, ResponseError):
        raise NotOnDiskError(job)
    if isinstance(synced, Exception):
        raise synced
    if int(synced[0]) < int(on_disk) or int(synced[1]) < replicas:
        raise NotOnDiskError(job)
    return True
