"""The models and the champion: a copy of MLflow's registry in Redis, and requests to change it.

The API and the workers look here, so that neither needs MLflow to answer or to serve. The courier, which changes the
registry (`worker/serving/registry_service.py`), brings the copy up to date and notifies all processes.
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict
from redis import Redis

from shared.pipeline.stages import GateVerdict
from shared.redis_access import PREFIX, in_bytes, now

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
"""Aliases of the version that serves, the one trained last, and the one that served before."""

_COPY = f"{PREFIX}models"
_CHANGED = f"{_COPY}:changed"
_TICKET = f"{_COPY}:ticket:"
_ANSWER = f"{_COPY}:answer:"
_TROUBLE = f"{_COPY}:trouble"

ANSWERED = f"{_COPY}:answered"
"""The channel that tells which ticket has been answered."""

_ANSWER_KEPT_S = 60
_TROUBLE_KEPT_S = 120
"""Longer than until the courier reads the registry again."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class ModelVersion(_Record):
    """A bundle as the registry knows it."""

    version: str
    """The registry's number."""
    bundle: str
    """What serves and results carry: the hash of the bundle's manifest."""
    run_id: str | None
    """MLflow's run of the training."""
    created_at: datetime
    figures: dict[str, float]
    """Figures of its evaluation, such as `test.fusion.weighted_f1`."""
    verdict: GateVerdict | None = None
    """`None` if the gate has not judged it."""


class ChangeKind(StrEnum):
    PROMOTE = "promote"
    ROLLBACK = "rollback"


class ChampionChange(_Record):
    """A change of the champion: when, by whom, and why."""

    kind: ChangeKind
    at: datetime
    by: str
    why: str
    champion: str | None
    """The version that serves since then; `None` for the local bundle."""
    previous: str | None
    """The version that served before."""


class RegistryState(_Record):
    """The registry at one moment."""

    name: str
    """The registered model's."""
    versions: tuple[ModelVersion, ...] = ()
    """Newest first."""
    aliases: dict[str, str] = {}
    """Alias to version."""
    history: tuple[ChampionChange, ...] = ()
    """Newest first."""

    def find(self, version: str) -> ModelVersion | None:
        return next((known for known in self.versions if known.version == version), None)

    def aliased(self, alias: str) -> ModelVersion | None:
        version = self.aliases.get(alias)
        return None if version is None else self.find(version)


class RegistryCopy(_Record):
    state: RegistryState
    copied_at: datetime
    """Time by Redis's clock."""


class ChangeRequest(_Record):
    """A request to change the champion."""

    kind: ChangeKind
    version: str | None
    """The version to promote; `None` for a rollback."""
    by: str
    why: str


class ChangeAnswer(_Record):
    """The answer to a request."""

    state: RegistryState | None
    problem: str | None = None
    """Why nothing was changed, human-readable."""
    refused: bool = False
    """Whether the registry's state does not allow the request; otherwise it could not be reached."""


class Models:
    """The copy of the registry, and the requests to change it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)

    def copy(self) -> RegistryCopy | None:
        """Return the copy; `None` if there is none yet."""
        packed = self._redis.get(_COPY)
        return None if packed is None else RegistryCopy.model_validate_json(packed)

    def publish(self, state: RegistryState) -> None:
        """Update the copy, and notify listeners if anything has changed."""
        before = self.copy()
        copied_at = datetime.fromtimestamp(now(self._redis), UTC)
        self._redis.set(_COPY, RegistryCopy(state=state, copied_at=copied_at).model_dump_json())
        if before is None or before.state != state:
            self._redis.publish(_CHANGED, b"")

    def report_trouble(self, trouble: str | None) -> None:
        """Keep what hinders the courier until an operator mends it; `None` if nothing does."""
        if trouble is None:
            self._redis.delete(_TROUBLE)
        else:
            self._redis.set(_TROUBLE, trouble, ex=_TROUBLE_KEPT_S)

    def trouble(self) -> str | None:
        """Return what hinders the courier, human-readable."""
        told = self._redis.get(_TROUBLE)
        return None if told is None else told.decode()

    @contextmanager
    def listening(self) -> Iterator["Listener"]:
        """Listen for changes of the copy; raises `RedisError` if Redis is away."""
        with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(_CHANGED)
            yield Listener(channel)

    # A request travels as a ticket: its text is in Redis for as long as a client waits for the answer, and taking it
    # removes it. So a message that comes twice, or too late, changes nothing.

    def leave(self, request: ChangeRequest, keep_s: int) -> str:
        """Leave the request for the courier; return its ticket."""
        ticket = secrets.token_hex(12)
        self._redis.set(_TICKET + ticket, request.model_dump_json(), ex=keep_s)
        return ticket

    def take(self, ticket: str) -> ChangeRequest | None:
        """Take the request away; `None` if no client waits for it any more."""
        packed = self._redis.getdel(_TICKET + ticket)
        return None if packed is None else ChangeRequest.model_validate_json(packed)

    def answer(self, ticket: str, answer: ChangeAnswer) -> None:
        with self._redis.pipeline() as pipe:
            pipe.rpush(answer_key(ticket), answer.model_dump_json())
            pipe.expire(answer_key(ticket), _ANSWER_KEPT_S)
            pipe.publish(ANSWERED, ticket)
            pipe.execute()

    def answered(self, tickets: Sequence[str]) -> set[str]:
        """Return those of the tickets that have an answer."""
        with self._redis.pipeline(transaction=False) as pipe:
            for ticket in tickets:
                pipe.exists(answer_key(ticket))
            found: list[int] = pipe.execute()
        return {ticket for ticket, there in zip(tickets, found, strict=True) if there}

    def answer_to(self, ticket: str) -> ChangeAnswer | None:
        """Return the answer; `None` if there is none yet."""
        packed = self._redis.lindex(answer_key(ticket), 0)
        return None if packed is None else ChangeAnswer.model_validate_json(packed)


class Listener:
    """Waits for changes of the copy."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def wait(self, seconds: float) -> bool:
        """Return whether there was a change within these seconds; raises `RedisError`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:  # the confirmation of the subscription ends a wait, too
            if self._channel.get_message(timeout=left) is not None:
                return True
        return False


def answer_key(ticket: str) -> str:
    """Return the list that gets the answer; API processes of the release before wait for it with BLPOP."""
    return _ANSWER + ticket
