"""The ledger's atomic steps: the files in `lua/`, each behind the common part and the table of legal transitions.

Keys, below the prefix `catalog:`:

    job:{id}             hash: the job's facts, counts and times
    job:{id}:input       hash: chunk → packed items that are still to do, or failed and can be retried
    job:{id}:kept        hash: chunk → packed items of a committed one, for corrections of its results
    job:{id}:results     hash: chunk → packed outcomes
    job:{id}:ready       list: chunks that nobody has in hand
    job:{id}:order       list: chunks in the order of their commit; what a results cursor walks along
    job:{id}:attempts    hash: chunk → how often it was leased; of those not committed
    job:{id}:losses      hash: chunk → how often a lease of it ran out
    job:{id}:done        list: one element once the job has ended, for whoever waits
    job:{id}:deliveries  list: the attempts to deliver its webhook
    job:{id}:training    hash: what a training was asked for, its stages, and what has come of it, each as JSON
    job:{id}:log         the end of a training's log
    trainings:{tenant}   zset: job → when it was accepted; of the trainings
    training:durations   hash: stage → seconds that it took in the last training that completed
    lane:{lane}          list: jobs with ready chunks, in turn
    pending:{lane}       how many of the lane's items have no outcome yet
    totals:{lane}        hash: jobs and items accepted, and jobs by the state that they ended in, ever
    done:{lane}:{t}      how many got one in the ten seconds from 10 t on
    live                 set: jobs that have not ended
    leases               zset: "id chunk attempt" → when the lease runs out
    deadlines            zset: job → when it expires
    outbox:{name}        zset: job → when its message is due
    idempotency:{key}    hash: who has claimed the key, or the job it led to and the fingerprint of its request
    endpoint:{e}         hash: a tenant's webhook URL: failures in a row, how long it is left alone, if it is disabled
    endpoint:{e}:slots   zset: the attempts under way, "id round" → when one counts as lost
"""

from pathlib import Path

from redis import Redis
from redis.commands.core import Script

from shared.ledger.states import TRANSITIONS, JobState
from shared.redis_access import PREFIX, LuaScripts


def job_key(job: str, part: str | None = None) -> str:
    return f"{PREFIX}job:{job}" + (f":{part}" if part else "")


def _legal() -> str:
    """`TRANSITIONS` as a Lua table."""

    def row(states: frozenset[JobState]) -> str:
        return ", ".join(f"{state} = true" for state in sorted(states))

    return f"local LEGAL = {{{', '.join(f'{state} = {{{row(after)}}}' for state, after in TRANSITIONS.items())}}}\n"


_SCRIPTS = LuaScripts(Path(__file__).parent / "lua", preamble=_legal())


def load(redis: Redis, name: str) -> Script:
    """Return the step of this name, to be called with `args`."""
    return _SCRIPTS.load(redis, name)
