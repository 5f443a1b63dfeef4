"""Sessions of people who have signed in to the console with an API key. Redis holds only a hash of each token."""

import hashlib
import json
import re
import secrets
from dataclasses import asdict, dataclass

from redis import Redis

from shared.redis_access import PREFIX, in_bytes, now

_PREFIX = f"{PREFIX}session:"
_TOKEN = re.compile("[0-9a-f]{64}")
IDLE_S, LONGEST_S = 2 * 3600, 12 * 3600
"""How long a session lasts without a request, and at most."""


@dataclass(frozen=True)
class Session:
    """Who has signed in, by which key."""

    key_id: str
    person: str | None
    """The name that decisions are given; `None`: that of the key."""
    csrf: str
    """What every request that changes something has to repeat, so that no other site can make the browser send it."""
    began: float


class SessionStore:
    """Sessions in Redis, which ends them. A session whose key is revoked is of no use: its key is looked up each time.

    A token has 256 random bits, as a key has: see `KeyStore`.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)

    def begin(self, key_id: str, person: str | None) -> str:
        """Begin a session; return its token, which cannot be recovered later."""
        token = secrets.token_hex(32)
        session = Session(key_id, person, secrets.token_hex(16), now(self._redis))
        self._redis.set(_at(token), json.dumps(asdict(session)), ex=IDLE_S)
        return token

    def find(self, token: str) -> Session | None:
        """Return the session with this token, which lasts longer by that; `None` if there is none."""
        if not _TOKEN.fullmatch(token):
            return None
        kept = self._redis.getex(_at(token), ex=IDLE_S)
        if kept is None:
            return None
        session = Session(**json.loads(kept))
        return session if now(self._redis) - session.began < LONGEST_S else None

    def end(self, token: str) -> None:
        """End the session, if there is one."""
        if _TOKEN.fullmatch(token):
            self._redis.delete(_at(token))


def _at(token: str) -> str:
    return _PREFIX + hashlib.sha256(token.encode()).hexdigest()
