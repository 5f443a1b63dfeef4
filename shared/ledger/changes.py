"""Changes of jobs, which each step publishes at once, for callers that wait.

What is published while nobody listens is lost, and processes of the release before publish nothing. So a process
that waits also looks.
"""

from collections.abc import Sequence

from redis import Redis

from shared.ledger.scripts import job_key
from shared.ledger.states import TERMINAL
from shared.redis_access import PREFIX, in_bytes

CHANGES = f"{PREFIX}changes"
"""The channel; `tell` in `common.lua` publishes a job's id and its state."""


def read_change(message: bytes) -> tuple[str, bool]:
    """Return the job that a message is about, and whether it has ended."""
    job, _, state = message.decode().partition(" ")
    return job, state in TERMINAL


def ended_among(redis: Redis, jobs: Sequence[str]) -> set[str]:
    """Return those of the jobs that have ended or do not exist, in one round trip."""
    with in_bytes(redis).pipeline(transaction=False) as pipe:
        for job in jobs:
            pipe.hget(job_key(job), "state")
        states: list[bytes | None] = pipe.execute()
    return {job for job, state in zip(jobs, states, strict=True) if state is None or state.decode() in TERMINAL}
