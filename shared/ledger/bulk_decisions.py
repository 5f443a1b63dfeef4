"""Decisions about all items of a filter, step by step: what was asked, and how far it has got."""

from dataclasses import dataclass
from enum import StrEnum

from redis import Redis

from shared.ledger.ledger import Ledger
from shared.ledger.scripts import load
from shared.redis_access import PREFIX, in_bytes

LEASE_S = 60
"""A process that has not ended a step after this time loses it to another one."""


class BulkState(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    """It could not go on; what was decided counts."""
    UNDOING = "undoing"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class BulkDecision:
    """A decision about all items of a filter."""

    id: str
    tenant: str
    job: str
    request: str
    """What was asked, as JSON."""
    state: BulkState
    step: int
    """Number of the step that is to be done next."""
    cursor: str
    """Where that step begins: in the list of items, or in the list of files that are taken back."""
    decided: int
    """How many items were decided so far."""
    undone: int
    """For how many of these the decision was taken back so far."""
    problem: str
    """Why it failed."""
    created_at: float


class BulkDecisions:
    def __init__(self, redis: Redis, keep_s: int) -> None:
        """Open the records.

        Args:
            keep_s: Seconds for which they are kept.
        """
        self._redis = in_bytes(redis)
        self._ledger = Ledger(redis)
        self._keep_s = keep_s
        self._take = load(redis, "take_bulk")
        self._report = load(redis, "report_bulk")
        self._undo = load(redis, "undo_bulk")

    def open(self, tenant: str, job: str, request: str) -> BulkDecision:
        """Begin one; a process takes it soon."""
        identifier, now = self._ledger.new_id(), self._ledger.now()
        facts = {"tenant": tenant, "job": job, "request": request, "state": BulkState.RUNNING.value}
        counts = {"step": 0, "cursor": "", "decided": 0, "undone": 0, "problem": "", "created_at": now}
        key = _key(identifier)
        with self._redis.pipeline() as pipeline:
            pipeline.hset(key, mapping={**facts, **counts})
            pipeline.expire(key, self._keep_s)
            pipeline.zadd(f"{PREFIX}bulks", {identifier: now})
            pipeline.execute()
        found = self.find(identifier)
        assert found is not None  # noqa: S101  # just written
        return found

    def find(self, identifier: str) -> BulkDecision | None:
        """Return one by its id; `None` if there is none, or it is no longer kept."""
        kept = {name.decode(): value.decode() for name, value in self._redis.hgetall(_key(identifier)).items()}
        if not kept:
            return None
        return BulkDecision(
            id=identifier,
            tenant=kept["tenant"],
            job=kept["job"],
            request=kept["request"],
            state=BulkState(kept["state"]),
            step=int(kept["step"]),
            cursor=kept["cursor"],
            decided=int(kept["decided"]),
            undone=int(kept["undone"]),
            problem=kept["problem"],
            created_at=float(kept["created_at"]),
        )

    def take(self) -> BulkDecision | None:
        """Take one of which a step is due, for `LEASE_S`."""
        taken = self._take(args=[LEASE_S])
        if not taken:
            return None
        found = self.find(taken.decode())
        if found is None:
            self._redis.zrem(f"{PREFIX}bulks", taken)
        return found

    def put_back(self, bulk: BulkDecision) -> None:
        """Give it back with its step undone."""
        self._redis.zadd(f"{PREFIX}bulks", {bulk.id: self._ledger.now()})

    def report(
        self, bulk: BulkDecision, state: BulkState, cursor: str, file: str = "", decisions: int = 0, problem: str = ""
    ) -> None:
        """Say that a step was done: how many decisions it wrote into which file, and where the next one begins."""
        self._report(args=[bulk.id, bulk.step, file, decisions, cursor, state.value, problem])

    def undo(self, identifier: str) -> BulkState:
        """Begin to take one back that has ended; returns its state before, which else stays as it is."""
        return BulkState(self._undo(args=[identifier]).decode())

    def file(self, bulk: BulkDecision, number: int) -> str | None:
        """Return the name of a file that it has written, in order from 0; `None` behind the last one."""
        found = self._redis.lindex(f"{_key(bulk.id)}:files", number)
        return None if found is None else found.decode()


def _key(identifier: str) -> str:
    return f"{PREFIX}bulk:{identifier}"
