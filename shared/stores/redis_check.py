"""Tells trouble with Redis that only a change of settings can end from trouble that passes, and says what to change."""

import ssl

from redis import AuthenticationError, AuthenticationWrongNumberOfArgsError, Redis, RedisError
from redis.exceptions import AskError, ClusterError, NoPermissionError
from redis.sentinel import MasterNotFoundError, SentinelConnectionPool

from shared.redis_access import PREFIX
from shared.settings import Settings, variable
from shared.stores.opening import open_broker, open_redis

_CLUSTER = (
    "this is a Redis Cluster, which is not supported, because each step changes keys that a cluster would spread over "
    "its servers: use one server, with replicas and sentinels if you like (redis+sentinel://HOST,HOST/SERVICE)"
)


def unusable_settings(settings: Settings) -> list[str]:
    """Ask both servers, and return a sentence for each setting with which they cannot be used.

    A server that is away, or starting, is no reason: every process waits for it.
    """
    found = []
    for field, open_client in (("redis_url", open_redis), ("broker_url", open_broker)):
        with open_client(settings) as client:
            if reason := _refusal(client):
                found.append(f"{variable(field)}: {reason}")
    return found


def cause_in_settings(error: BaseException) -> str | None:
    """Return what to change, if the error tells that the address or the account is wrong; it quotes no password."""
    match error:
        case AuthenticationError() | AuthenticationWrongNumberOfArgsError():
            return f"Redis refuses the user or the password of this address ({error})"
        case NoPermissionError():
            return f"the user of this address lacks a permission ({error}); docs/running.md has the rule of its account"
        case ClusterError() | AskError():
            return _CLUSTER
    text = str(error)
    if "not allowed in cluster mode" in text:
        return _CLUSTER
    if "DB index is out of range" in text:
        return (
            "Redis has no database with the number at the end of this address (by default it has 0 to 15; a Redis "
            "Cluster, which is not supported, has only 0)"
        )
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _distrust(cause)
    return None


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    if "mismatch" in error.verify_message:
        return (
            f"the server's certificate is not for this host ({error.verify_message}): write a name that it is for, or "
            "add ?ssl_check_hostname=false"
        )
    return (
        f"the server's certificate is not trusted ({error.verify_message}): add ?ssl_ca_certs=FILE with the "
        "certificates of its authority"
    )


def explained(error: BaseException) -> str:
    """Return what to change, if that would help, else what the error says."""
    return cause_in_settings(error) or str(error)


def _refusal(client: Redis) -> str | None:
    try:
        if client.info("cluster").get("cluster_enabled"):
            return _CLUSTER
        _try_permissions(client)
    except MasterNotFoundError:
        return _unknown_service(client)
    except RedisError as error:
        return cause_in_settings(error)
    return None


def _try_permissions(client: Redis) -> None:
    """Do a little of everything, without a trace."""
    with client.pipeline(transaction=True) as pipe:
        pipe.eval("return redis.call('EXISTS', KEYS[1])", 1, f"{PREFIX}permissions")
        pipe.publish(f"{PREFIX}permissions", b"")
        pipe.execute()


def _unknown_service(client: Redis) -> str | None:
    """Return what the sentinels say about a service that they do not name; nothing if none answers."""
    pool = client.connection_pool
    if not isinstance(pool, SentinelConnectionPool):
        return None
    reasons = []
    for sentinel in pool.sentinel_manager.sentinels:
        try:
            known = sentinel.sentinel_masters()
        except RedisError as error:
            if reason := cause_in_settings(error):
                reasons.append(f"a sentinel: {reason}; see ?sentinel_username and ?sentinel_password")
            continue
        if pool.service_name in known:
            return None  # it has no server at the moment
        names = ", ".join(sorted(known)) or "none"
        reasons.append(f"the sentinels know no service of the name in this address; they watch: {names}")
    return reasons[0] if reasons else None


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
