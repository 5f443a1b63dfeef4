"""The ledger's atomic steps: the files in `lua/`, each after the common part and the table of legal transitions.

Keys, below the prefix `catalog:`:

    job:{id}             hash: the job's facts, counts and times
    job:{id}:input       hash: chunk → packed items without an outcome, or failed and open to a retry
    job:{id}:kept        hash: chunk → packed items of committed chunks, for corrections
    job:{id}:results     hash: chunk → packed outcomes
    job:{id}:facets      hash: chunk → what its classified items are chosen and ordered by
    job:{id}:likeness    hash: chunk → what its items that need a look have in common with their near copies
    job:{id}:sent        hash: chunk → packed own columns of its items, and titles that are not kept elsewhere;
                         `columns` → the names of all own columns, as JSON
    job:{id}:decided     hash: item's index → its decisions in the order of arrival, a line each; the last is in force
    job:{id}:ready       list: chunks that wait for a worker
    job:{id}:order       list: chunks in the order of their commit, which a cursor of results follows
    job:{id}:attempts    hash: chunk not yet committed → number of its leases
    job:{id}:losses      hash: chunk → number of its leases that ran out
    job:{id}:postponed   set: chunks whose pause will not count as a loss
    job:{id}:done        list: one element once the job has ended, for API processes of the release before
    job:{id}:deliveries  list: attempts to deliver its webhook
    job:{id}:training    hash: a training's request, stages and results, each as JSON
    job:{id}:log         the end of a training's log
    jobs:{tenant}        zset: the tenant's job, without trainings and single predictions → when it was accepted
    trainings:{tenant}   zset: the tenant's training → when it was accepted
    training:durations   hash: stage → its seconds in the last completed training
    turns:{lane}         zset: tenants with ready chunks, in turn
    turns:{lane}:{tenant}  zset: the tenant's jobs with ready chunks, in turn
    pending:{lane}       number of the lane's items without an outcome
    waiting              hash: "lane tenant" → number of the tenant's items in the lane without an outcome
    held                 hash: tenant → bytes that its jobs hold in Redis
    held:{tenant}        hash: job, open or being staged → bytes that it holds
    held:{tenant}:until  zset: job → when these bytes expire at the latest
    to_free              set: cancelled jobs whose items are still stored
    refused              hash: "all what" or "tenant what" → requests refused by this limit, since the beginning
    totals:{lane}        hash: jobs and items accepted, and ended jobs by state, since the beginning
    done:{lane}:{t}      number of outcomes in the ten seconds from 10 t on
    live                 set: jobs that have not ended
    leases               zset: "id chunk attempt" → when the lease runs out
    deadlines            zset: job → when it expires
    outbox:{name}        zset: job → when its message is due
    idempotency:{key}    hash: the token of the claim, or the job and the fingerprint of its request
    decisions:last               the moment of the last file of decisions, in microseconds
    decisions:turn:{tenant}      token of the request that writes a file of the tenant's decisions
    decisions:unapplied:{tenant} hash: moment of a file that may be written but not applied → its identifier
    decisions:request:{i}        list: moments of the files that attempts of a request with an idempotency key write
    decisions:applied            zset: file of the last two days that was applied → its moment
    decisions:built              exists once the index has been made of all files
    decisions:building           exists while a process makes the index
    decisions:of:{tenant}        zset: "cursor decision" in the order of arrival, for those that take them up
    decisions:gone:{tenant}      cursor of the last one that is no longer there
    bulks                zset: bulk decision with a step to do → when a process may take it
    bulk:{i}             hash: what a bulk decision is about, its state, and how far it has got
    bulk:{i}:files       list: the files of decisions that it has written
    decisions:by:{tenant}:{p}    zset: the last decisions of a person, "place job index file"
    decisions:latest             hash: tenant → the file of its decisions that was applied last
    review:reserved:{tenant}     zset: "job index" of an item that is reserved for a person → until when
    review:cards:{tenant}        hash: the first item of a card that is reserved → its person and its items, by lines
    memory:{tenant}      hash: words and picture of an item, hashed → decisions about it in order, a line each
    near:{tenant}        hash: what near copies have in common, hashed → decisions about them in order, a line each
    promise:secret               what decides, with an item's place, whether it is audited
    promise:drawn:{tenant}:{week}  hash: `accepted` answers, `floor`: audits beside the drawn ones, "of branch" → audits
    promise:answers:{tenant}:{bundle}:{day}  hash: bin of confidences → answers
    promise:audited:{tenant}     zset: decisions about audited answers, as `CheckedAnswer.row`
    promise:reviewed:{tenant}    zset: the latest decisions about answers that needed a review, likewise
    promise:undone:{tenant}      zset: places of decisions that were undone
    promise:tenants              zset: tenant → when it was told of a decision last
    promise:bundle:{bundle}      JSON: what a bundle promises
    promise:threshold:{tenant}   hash: the tenant's threshold, the bundle that it is for, whether it is pinned
    promise:moves:{tenant}       list: "time move as JSON", the latest first
    promise:figures              hash: tenant → how its promise stood when the housekeeper looked last, as JSON
    provisional:{tenant} hash: what is fitted to the decisions for categories that no training knows, its version, and
                         of which decisions and when
    endpoint:{e}         hash: a tenant's webhook URL: failures in a row, end of its pause, when it was disabled
    endpoint:{e}:slots   zset: attempts under way, "id round" → when the attempt counts as lost
"""

from pathlib import Path

from redis import Redis
from redis.commands.core import Script

from shared.ledger.states import TRANSITIONS, JobState
from shared.redis_access import PREFIX, LuaScripts

LATEST_DECISIONS = f"{PREFIX}decisions:latest"


def job_key(job: str, part: str | None = None) -> str:
    return f"{PREFIX}job:{job}" + (f":{part}" if part else "")


def cards_key(tenant: str) -> str:
    return f"{PREFIX}review:cards:{tenant}"


def _legal() -> str:
    """Return `TRANSITIONS` as a Lua table."""

    def row(states: frozenset[JobState]) -> str:
        return ", ".join(f"{state} = true" for state in sorted(states))

    return f"local LEGAL = {{{', '.join(f'{state} = {{{row(after)}}}' for state, after in TRANSITIONS.items())}}}\n"


_SCRIPTS = LuaScripts(Path(__file__).parent / "lua", preamble=_legal())


def load(redis: Redis, name: str) -> Script:
    """Return the step of this name, to be called with `args`."""
    return _SCRIPTS.load(redis, name)
