"""State in Redis that tests read or change directly, as no client can. No other module of tests spells out its keys."""

from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis

from shared.ledger import Claim, Lease
from shared.ledger.scripts import job_key
from shared.redis_access import PREFIX, in_bytes

LEASES = f"{PREFIX}leases"
"""Sorted set: lease → when it runs out."""
_DEADLINES = f"{PREFIX}deadlines"
_LIVE = f"{PREFIX}live"
_DURATIONS = f"{PREFIX}training:durations"
_MODELS = f"{PREFIX}models"
_DRIFT = f"{PREFIX}drift"
_TAXONOMY = f"{PREFIX}taxonomy"
_DAY_S, _WINDOW_S = 86400, 10


# Jobs


def job_keys(redis: Redis, job_id: str = "") -> list[Any]:
    """All keys of the job, or of all jobs."""
    return list(redis.scan_iter(f"{PREFIX}job:{job_id}*"))


def forget_facets(redis: Redis, job_id: str) -> None:
    """Let the job's chunks have been committed by workers of before facets."""
    redis.delete(job_key(job_id, "facets"))


def live_jobs(redis: Redis) -> set[Any]:
    return set(redis.smembers(_LIVE))


def listed_jobs(redis: Redis, tenant: str = "local") -> list[str]:
    """The tenant's list of jobs, newest first, also those whose records have expired."""
    return [job.decode() for job in in_bytes(redis).zrevrange(_jobs(tenant), 0, -1)]


def accept_at(redis: Redis, times: Mapping[str, float], tenant: str = "local") -> None:
    """Let the tenant's jobs have been accepted at these times, as far as the list knows."""
    if times:
        redis.zadd(_jobs(tenant), dict[Any, Any](times), xx=True)


def list_lasts(redis: Redis, tenant: str = "local") -> int:
    """In how many seconds the tenant's list of jobs expires."""
    return int(redis.ttl(_jobs(tenant)))


def forget_job_list(redis: Redis, tenant: str = "local") -> None:
    """Let nobody have listed the tenant's jobs, as in the releases before the list."""
    redis.delete(_jobs(tenant))


def _jobs(tenant: str) -> str:
    return f"{PREFIX}jobs:{tenant}"


def queue_is_empty(redis: Redis) -> bool:
    """Whether there is no live job, turn, deadline, lease or pending item."""
    waiting = redis.exists(_LIVE, _DEADLINES, LEASES) or list(redis.scan_iter(f"{PREFIX}turns:*"))
    return not waiting and {redis.get(key) for key in redis.scan_iter(f"{PREFIX}pending:*")} <= {b"0"}


def deadline(redis: Redis, job_id: str) -> float | None:
    return redis.zscore(_DEADLINES, job_id)


def pass_deadline(redis: Redis, job_id: str) -> None:
    """Let the job's deadline be over; nobody has noticed yet."""
    redis.hset(job_key(job_id), "deadline", 0)
    redis.zadd(_DEADLINES, {job_id: 0})


def expire_results(redis: Redis, job_id: str) -> None:
    """Let the time be over for which the job's results are kept."""
    redis.hset(job_key(job_id), "results_expire_at", redis.time()[0] - 1)


def age_job(redis: Redis, job_id: str, seconds: float) -> None:
    """Let the job have been accepted this long ago."""
    redis.hset(job_key(job_id), "queued_at", str(redis.time()[0] - seconds))


def end_silently(redis: Redis, job_id: str) -> None:
    """Let a process of the release before have ended the job: it tells nobody on a channel."""
    redis.hset(job_key(job_id), "state", "completed")


def break_record(redis: Redis, job_id: str) -> None:
    """Give the job a state that does not exist."""
    redis.hset(job_key(job_id), "state", "no such state")


def lose_record(redis: Redis, job_id: str) -> None:
    redis.delete(job_key(job_id))


def lose_part(redis: Redis, job_id: str, part: str) -> None:
    """Delete a key of the job: `input`, `kept`, `results`, `order` or `ready`."""
    redis.delete(job_key(job_id, part))


def lose_chunk(redis: Redis, job_id: str, chunk: str) -> bool:
    """Take a ready chunk away, so that it is nowhere; return whether it was ready."""
    return redis.lrem(job_key(job_id, "ready"), 0, chunk) == 1


def lose_turn(redis: Redis, lane: str, job_id: str) -> bool:
    """Take the job's turn away; return whether it had one."""
    return sum(redis.zrem(key, job_id) for key in redis.scan_iter(f"{PREFIX}turns:{lane}:*")) == 1


def lose_turns(redis: Redis, lane: str) -> None:
    """No job of the lane has a turn any more."""
    for key in redis.scan_iter(f"{PREFIX}turns:{lane}*"):
        redis.delete(key)


def tenants_waiting(redis: Redis) -> dict[str, int]:
    """Lane and tenant → the tenant's items in the lane without an outcome, as they are counted."""
    return _counts(redis, f"{PREFIX}waiting")


def _counts(redis: Redis, key: str) -> dict[str, int]:
    return {name.decode(): int(count) for name, count in in_bytes(redis).hgetall(key).items()}


def forget_tenants_waiting(redis: Redis) -> None:
    """Let nobody have counted them, as in the releases before quotas."""
    redis.delete(f"{PREFIX}waiting")


def memory_counted(redis: Redis, tenant: str) -> dict[str, int]:
    """Job → the bytes that count as the tenant's."""
    return _counts(redis, f"{PREFIX}held:{tenant}")


def memory_stored(redis: Redis, job_id: str) -> int:
    """The bytes of all that is kept of the job's items."""
    names = ("input", "kept", "results", "facets", "likeness", "sent", "decided")
    parts = (redis.hvals(job_key(job_id, part)) for part in names)
    return sum(len(packed) for values in parts for packed in values)


def expire_memory(redis: Redis, tenant: str) -> None:
    """Let the time be over for which the tenant's jobs hold memory."""
    for job, _ in list(redis.zscan_iter(f"{PREFIX}held:{tenant}:until")):
        redis.zadd(f"{PREFIX}held:{tenant}:until", {job: 0})


def turns_as_a_list(redis: Redis, lane: str, jobs: Sequence[str]) -> None:
    """Let these jobs have their turns as the releases before turns by tenant kept them."""
    lose_turns(redis, lane)
    redis.rpush(f"{PREFIX}lane:{lane}", *jobs)


def finish_rate_window(redis: Redis, lane: str) -> None:
    """Let the ten seconds in which outcomes were counted be over."""
    (window,) = redis.scan_iter(f"{PREFIX}done:{lane}:*")
    redis.rename(window, f"{PREFIX}done:{lane}:{int(redis.time()[0]) // _WINDOW_S - 1}")


# Leases


def lease_expiry(redis: Redis, lease: Lease) -> float | None:
    return redis.zscore(LEASES, lease.member)


def lease_count(redis: Redis) -> int:
    return int(redis.zcard(LEASES))


def add_lease(redis: Redis, member: str, until: float = 0) -> None:
    """Add a lease that nobody holds."""
    redis.zadd(LEASES, {member: until})


def expire_leases(redis: Redis) -> None:
    """Let every lease run out now."""
    for member, _ in list(redis.zscan_iter(LEASES)):
        redis.zadd(LEASES, {member: 0})


# Idempotency keys


def claims(redis: Redis) -> list[Any]:
    """The keys in Redis of all idempotency keys in use or answered."""
    return list(redis.scan_iter(f"{PREFIX}idempotency:*"))


def take_fingerprint_of_bytes(redis: Redis) -> None:
    """Let every answered key be from a release that hashed the bytes of requests."""
    for key in claims(redis):
        redis.hset(key, "fingerprint", "0" * 64)


def expire_claim(redis: Redis, claim: Claim) -> None:
    redis.delete(f"{PREFIX}idempotency:{claim.key}")


# Deliveries


def due_at(redis: Redis, outbox: str, job_id: str) -> float | None:
    """When the job's message in the outbox is due; `None` if it is settled."""
    return redis.zscore(f"{PREFIX}outbox:{outbox}", job_id)


def outbox_size(redis: Redis, outbox: str) -> int:
    return int(redis.zcard(f"{PREFIX}outbox:{outbox}"))


def forget_pause(redis: Redis, job_id: str) -> None:
    """Let the pause before the next attempt be over."""
    redis.hdel(job_key(job_id), "webhook_due")


def endpoints(redis: Redis) -> list[Any]:
    """The keys of everything that is known of webhooks' endpoints."""
    return list(redis.scan_iter(f"{PREFIX}endpoint:*"))


def close_breakers(redis: Redis) -> None:
    """Let the pauses of endpoints that kept failing be over."""
    for key in redis.scan_iter(f"{PREFIX}endpoint:*", _type="hash"):
        if redis.hexists(key, "open_until"):
            redis.hset(key, "open_until", 0)


# The broker, models, trainings, drift


def queue_key(queue: str) -> str:
    """The broker's list of this queue's messages."""
    return PREFIX + queue


def forget_models(redis: Redis) -> None:
    """Remove the copy of the registry."""
    redis.delete(_MODELS)


def tickets(redis: Redis) -> dict[str, Any]:
    """Requests to change the champion that wait for an answer: ticket → its key."""
    return {key.decode().rpartition(":")[2]: key for key in redis.scan_iter(f"{_MODELS}:ticket:*")}


def set_durations(redis: Redis, **seconds: int) -> None:
    """How long stages took in the last training."""
    redis.hset(_DURATIONS, mapping=dict[Any, Any](seconds))


def drift_days(redis: Redis) -> list[Any]:
    """The keys of all days' counters."""
    return list(redis.scan_iter(f"{_DRIFT}:[0-9]*"))


def reference_key(bundle: str) -> str:
    return f"{_DRIFT}:reference:{bundle}"


def move_drift_back(redis: Redis, bundle: str, days: int) -> None:
    """Let what was counted today have been counted this many days ago."""
    today = int(redis.time()[0]) // _DAY_S
    redis.rename(f"{_DRIFT}:{today}:{bundle}", f"{_DRIFT}:{today - days}:{bundle}")
    redis.zrem(f"{_DRIFT}:days", f"{today} {bundle}")
    redis.zadd(f"{_DRIFT}:days", {f"{today - days} {bundle}": today - days})


def forget_drift(redis: Redis) -> None:
    for key in redis.scan_iter(f"{_DRIFT}:*"):
        redis.delete(key)


# Labels


def as_an_older_release_counted(redis: Redis) -> None:
    """Leave the counts of all tenants together, which is all there was once."""
    for key in redis.scan_iter(f"{PREFIX}labels:*:of:*"):
        redis.delete(key)
    for key in redis.scan_iter(f"{PREFIX}labels:*:counts"):
        redis.hdel(key, "by_code")


# Keys and the administrative log


def end_key(redis: Redis, key_id: str) -> None:
    """Let the API key have ended on 2 January 2026."""
    redis.hset(f"{PREFIX}key:{key_id}", "expires_at", "2026-01-02T03:04:05+00:00")


def scopes_for_older_releases(redis: Redis, key_id: str) -> str:
    """The scopes of the API key as releases read them that know no later ones."""
    return str((in_bytes(redis).hget(f"{PREFIX}key:{key_id}", "scopes") or b"").decode())


def change_admin_log(redis: Redis, number: int, entry: bytes | None) -> None:
    """Replace an entry, or remove it."""
    key = f"{PREFIX}admin-log"
    client: Any = redis
    client.lset(key, number - 1, "removed" if entry is None else entry)
    if entry is None:
        redis.lrem(key, 1, "removed")


def admin_log(redis: Redis) -> list[Any]:
    found: Any = redis.lrange(f"{PREFIX}admin-log", 0, -1)
    return list(found)


# Turns at hosts


def turns_end(redis: Redis) -> float:
    """When the last turn of the only host counts as given back."""
    (key,) = redis.scan_iter(f"{PREFIX}fetching:*")
    last: Any = redis.zrange(key, -1, -1, withscores=True)
    return float(last[0][1])


# Taxonomies


def overtake_taxonomy_put(redis: Redis) -> None:
    """Let a put have been given the next number, and have taken so long that others may begin."""
    redis.incr(f"{_TAXONOMY}:numbers")


def publish_unreadable_taxonomy(redis: Redis, bundle: str) -> None:
    """Let a worker of another release have published a bundle in another form, and taken it into service."""
    redis.set(f"{_TAXONOMY}:bundle:{bundle}", b"not compressed")
    redis.set(f"{_TAXONOMY}:served", bundle)


def forget_published_taxonomy(redis: Redis, bundle: str) -> None:
    """Let the time be over for which what a worker published of the bundle is kept."""
    redis.delete(f"{_TAXONOMY}:bundle:{bundle}")


def forget_taxonomies(redis: Redis) -> None:
    """Let Redis have been emptied of what it knows of taxonomies that were put."""
    redis.delete(f"{_TAXONOMY}:version", f"{_TAXONOMY}:latest", f"{_TAXONOMY}:numbers")


# Decisions


def forget_decision_turns(redis: Redis) -> None:
    """Let the time be over that requests have to write decisions."""
    for key in redis.scan_iter(f"{PREFIX}decisions:turn:*"):
        redis.delete(key)


def decisions_last(redis: Redis, moment: int) -> None:
    """Let the last file of decisions have arrived at this moment, in microseconds."""
    redis.set(f"{PREFIX}decisions:last", moment)


def forget_told_decisions(redis: Redis, tenant: str, last: str) -> None:
    """Let a tenant's decisions up to this place no longer be told."""
    redis.zremrangebylex(f"{PREFIX}decisions:of:{tenant}", "-", f"({last}!")
    redis.set(f"{PREFIX}decisions:gone:{tenant}", last)


def lose_decision_index(redis: Redis) -> None:
    """Let Redis have lost all that it knew of decisions, but for what jobs have."""
    for pattern in ("decisions:*", "memory:*", "near:*", "provisional:*"):
        for key in redis.scan_iter(f"{PREFIX}{pattern}"):
            redis.delete(key)


def forget_that_the_index_was_made(redis: Redis) -> None:
    """Do what docs/reliability.md tells an operator who wants the index of decisions to be made again."""
    redis.delete(f"{PREFIX}decisions:built")


def lose_promise_record(redis: Redis) -> None:
    """Let Redis have lost all that it knew of promises but what workers tell again."""
    for name in ("audited", "reviewed", "undone", "tenants"):
        for key in redis.scan_iter(f"{PREFIX}promise:{name}*"):
            redis.delete(key)


def forget_application(redis: Redis, job_id: str, moment: int, identifier: str) -> None:
    """Let the process have died that wrote the only file of decisions, before it applied them."""
    client: Any = redis
    requests = {key: client.lrange(key, 0, -1) for key in redis.scan_iter(f"{PREFIX}decisions:request:*")}
    lose_decision_index(redis)
    for key, moments in requests.items():
        redis.rpush(key, *moments)
    redis.hset(f"{PREFIX}decisions:unapplied:local", str(moment), identifier)
    decisions_last(redis, moment)
    redis.delete(job_key(job_id, "decided"))
    redis.hdel(job_key(job_id), "reviewed", "decisions")


def lose_decisions_of_job(redis: Redis, job_id: str, record: int) -> None:
    """Let Redis have lost the decisions about the job's items, and never counted them; `record` are its other bytes."""
    redis.delete(job_key(job_id, "decided"))
    redis.hdel(job_key(job_id), "reviewed", "decisions")
    tenant = (in_bytes(redis).hget(job_key(job_id), "tenant") or b"").decode()
    redis.hset(f"{PREFIX}held:{tenant}", job_id, record + memory_stored(redis, job_id))


# What people have reserved


def expire_reservations(redis: Redis, tenant: str = "local") -> None:
    """Let the time be over for which items are reserved."""
    key = f"{PREFIX}review:reserved:{tenant}"
    for member, _ in list(redis.zscan_iter(key)):
        redis.zadd(key, {member: 0})


def lose_bulk_report(redis: Redis, identifier: str) -> None:
    """Let the process have died that did the first steps of a bulk decision, before it told of any."""
    key = f"{PREFIX}bulk:{identifier}"
    redis.hset(key, mapping={"step": 0, "cursor": "", "decided": 0, "state": "running"})
    redis.delete(f"{key}:files")
    redis.zadd(f"{PREFIX}bulks", {identifier: 0})


def end_sessions(redis: Redis) -> None:
    """Let every session of the console come to its end."""
    for key in redis.scan_iter(f"{PREFIX}session:*"):
        redis.delete(key)
