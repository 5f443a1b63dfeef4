"""The Idempotency-Key header: the same request sent twice leads to one job and one answer.

Follows draft-ietf-httpapi-idempotency-key-header-07: a key with another body is answered with 422, a key whose first
request is still being processed with 409. Only accepted requests are remembered, so a refused one can be corrected.
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Response
from fastapi.concurrency import run_in_threadpool
from redis import RedisError

from api.dependencies import service
from api.http.problems import Problem
from api.http.renewal import renew_until_cancelled
from shared.ledger import Answered, Claim, Idempotency, InFlightError, Ledger
from shared.ledger.idempotency import CLAIM_S

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

_KEY = re.compile("[!-~]([ -~]{0,253}[!-~])?")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        json_schema_extra={"pattern": f"^{_KEY.pattern}$"},  # for the document: `attempt` answers with 400, not 422
        description="Up to 255 characters of your own choice. The same request with the same key has one effect and one"
        " answer, for a day.",
    ),
]


_KeysDep = Annotated[Idempotency, service(lambda stores: Idempotency(stores.redis))]


@dataclass(frozen=True)
class Attempt:
    """One request: the first with its key, one without a key, or a repetition."""

    claim: Claim | None = None
    answered: Answered | None = None
    """What the first request with the key led to."""

    def mark(self, response: Response) -> None:
        """Set the header that says that the answer is that of an earlier request, if it is."""
        if self.answered:
            response.headers[REPLAYED] = "true"


@dataclass(frozen=True)
class IdempotentRequest:
    """A request with or without the header."""

    keys: Idempotency
    key: str | None

    @asynccontextmanager
    async def attempt(self, tenant: str, operation: str) -> AsyncIterator[Attempt]:
        """Claim the key while the context is open; an exception releases it.

        Raises:
            Problem: the key is malformed, or another request with it is still being processed.
        """
        if self.key is None:
            yield Attempt()
            return
        claim = await self._claim(tenant, operation, self.key)
        if isinstance(claim, Answered):
            yield Attempt(answered=claim)
            return
        renewing = asyncio.create_task(renew_until_cancelled(partial(self.keys.renew, claim), CLAIM_S / 4))
        try:
            yield Attempt(claim=claim)
        except BaseException:
            with contextlib.suppress(RedisError):
                await run_in_threadpool(self.keys.release, claim)  # changes nothing once the job is open
            raise
        finally:
            renewing.cancel()

    async def _claim(self, tenant: str, operation: str, key: str) -> Claim | Answered:
        if not _KEY.fullmatch(key):
            detail = f"The header {HEADER} must have 1 to 255 visible ASCII characters."
            raise Problem(HTTPStatus.BAD_REQUEST, "malformed-idempotency-key", detail)
        try:
            return await run_in_threadpool(self.keys.claim, tenant, operation, key)
        except InFlightError as error:
            detail = "The first request with this Idempotency-Key is still being processed: send this one again later."
            headers = {"Retry-After": str(error.retry_after_s)}
            raise Problem(HTTPStatus.CONFLICT, "idempotency-key-in-use", detail, headers=headers) from None


async def _idempotent(keys: _KeysDep, key: IdempotencyKey = None) -> IdempotentRequest:
    return IdempotentRequest(keys, key)


IdempotentDep = Annotated[IdempotentRequest, Depends(_idempotent)]


def check_same(answered: Answered, fingerprint: str) -> None:
    """Raise `Problem` if this request differs from the first one with the key.

    A fingerprint of another kind was taken by an earlier release, so nothing can be said: the key decides.
    """
    if fingerprint != answered.fingerprint and _kind(fingerprint) == _kind(answered.fingerprint):
        detail = f"This {HEADER} was used before, for a request with another body: use a new key for a new request."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail)


def identifier_of(keys: Idempotency, claim: Claim | None, fingerprint: str) -> str:
    """Return the identifier that a request's facts are stored under: for the same request with the same key the same.

    Raises:
        Problem: another request has taken the key over.
    """
    if claim is None:
        return Ledger.new_id()
    if not keys.renew(claim):
        detail = f"Another request with this {HEADER} has taken over: send this one again with the same key."
        raise Problem(HTTPStatus.CONFLICT, "idempotency-key-in-use", detail, headers={"Retry-After": "1"})
    return hashlib.sha256(f"{claim.key} {fingerprint}".encode()).hexdigest()[:24]


def _kind(fingerprint: str) -> str:
    return fingerprint.rpartition(":")[0]
