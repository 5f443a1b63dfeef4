"""Idempotency keys: the same request sent twice opens one job.

A request claims its key, and renews the claim while its body arrives; opening the job turns the claim into the answer
in the same atomic step. So a process that dies in between leaves a claim that expires, never a second job.
"""

import hashlib
import secrets
from dataclasses import dataclass

from redis import Redis

from shared.ledger.scripts import load

CLAIM_S = 10
"""A claim that was not renewed for this long expires, and the client can send the request again."""

KEEP_ANSWERS_S = 24 * 3600
"""How long an idempotency key replays the answer to its first request."""


class InFlightError(RuntimeError):
    """Another request with this key is being processed."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("another request with this key is being processed")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Claim:
    """This request's exclusive right to the key while it is renewed."""

    key: str
    token: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The key has had its effect before."""

    answer: str
    """The id of the job it made; the answer itself where a request makes no job."""
    fingerprint: str


class Idempotency:
    def __init__(self, redis: Redis) -> None:
        self._claim = load(redis, "claim")
        self._keep = load(redis, "keep_claim")
        self._settle = load(redis, "settle_claim")

    def claim(self, tenant: str, operation: str, key: str) -> Claim | Answered:
        """Claim the key, which is separate per tenant and operation. Raises `InFlightError`."""
        name = hashlib.sha256("\0".join((tenant, operation, key)).encode("utf-8", "surrogatepass")).hexdigest()
        claim = Claim(name, secrets.token_hex(8))
        answer = self._claim(args=[claim.key, claim.token, CLAIM_S])
        if answer[0] == b"busy":
            raise InFlightError(max(int(answer[1]), 1))
        if answer[0] == b"done":
            return Answered(answer[1].decode(), answer[2].decode())
        return claim

    def renew(self, claim: Claim) -> bool:
        """Renew the claim; return whether it is still this request's."""
        return bool(self._keep(args=[claim.key, claim.token, CLAIM_S]))

    def settle(self, claim: Claim, answer: str, fingerprint: str, keep_s: int) -> None:
        """Store the key's answer for `keep_s`; for a job, `Ledger.open` does this itself."""
        self._settle(args=[claim.key, claim.token, answer, fingerprint, keep_s])

    def release(self, claim: Claim) -> None:
        """Give up an unused claim: the next request with the key is processed as new."""
        self._keep(args=[claim.key, claim.token, 0])
