"""The Idempotency-Key header: the same request sent twice leads to one job and one answer.

After draft-ietf-httpapi-idempotency-key-header-07: a key with another body is 422, one whose first request is being
worked on is 409, and only a request that was accepted is remembered, so that one that was refused can be corrected.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Header
from fastapi.concurrency import run_in_threadpool
from redis import RedisError

from api.dependencies import Stores
from api.http.problems import Problem
from shared.ledger import Answered, Claim, Idempotency, InFlightError, Job
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


@dataclass(frozen=True)
class Attempt:
    """One request: the first with its key, without a key, or a repetition."""

    claim: Claim | None = None
    answered: Answered | None = None
    """What the first request with the key led to."""


@asynccontextmanager
async def attempt(stores: Stores, tenant: str, operation: str, key: str | None) -> AsyncIterator[Attempt]:
    """Claim the key for as long as the body runs; a failure gives it up.

    Raises:
        Problem: the key cannot be one, or another request with it is being worked on.
    """
    if key is None:
        yield Attempt()
        return
    if not _KEY.fullmatch(key):
        detail = f"The header {HEADER} must have 1 to 255 visible ASCII characters."
        raise Problem(HTTPStatus.BAD_REQUEST, "malformed-idempotency-key", detail)
    keys = stores.idempotency
    try:
        found = await run_in_threadpool(keys.claim, tenant, operation, key)
    except InFlightError as error:
        detail = "The first request with this Idempotency-Key is being worked on: ask again when it is done."
        headers = {"Retry-After": str(error.retry_after_s)}
        raise Problem(HTTPStatus.CONFLICT, "idempotency-key-in-use", detail, headers=headers) from None
    if isinstance(found, Answered):
        yield Attempt(answered=found)
        return
    renewing = asyncio.create_task(_renew(keys, found))
    try:
        yield Attempt(claim=found)
    except BaseException:
        with contextlib.suppress(RedisError):
            await run_in_threadpool(keys.release, found)  # changes nothing once the job is open
        raise
    finally:
        renewing.cancel()


async def replay(stores: Stores, answered: Answered, fingerprint: Awaitable[str]) -> Job:
    """The job as it was accepted; raises as `check_same` does."""
    await check_same(answered, fingerprint)
    job = await run_in_threadpool(stores.ledger.job, answered.job)
    return job.as_accepted()


async def known(fingerprint: str) -> str:
    """One that need not be waited for, as that of a body is."""
    return fingerprint


async def check_same(answered: Answered, fingerprint: Awaitable[str]) -> None:
    """Raises `Problem` where this request is another one than the first with the key."""
    if await fingerprint != answered.fingerprint:
        detail = f"This {HEADER} was used before, for a request with another body: take a new key for a new request."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail)


async def _renew(keys: Idempotency, claim: Claim) -> None:
    while True:
        await asyncio.sleep(CLAIM_S / 4)
        with contextlib.suppress(RedisError):
            await run_in_threadpool(keys.renew, claim)
