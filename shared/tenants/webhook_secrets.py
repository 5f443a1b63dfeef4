"""The secrets that webhooks are signed with: one per tenant and master secret.

A secret that tenants shared would let each of them forge the others' events. They are derived, so only the masters have
to be kept, and a tenant can be told its secrets at any time.
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence

from pydantic import SecretStr

_PREFIX = "whsec_"
_BASE64 = re.compile("[A-Za-z0-9+/]+={0,2}")
_SHORTEST, _LONGEST = 24, 64
"""Bytes, as the Standard Webhooks specification has it."""


def signing_secrets(masters: Sequence[SecretStr], tenant: str) -> tuple[SecretStr, ...]:
    """The tenant's secrets, as its receiver needs them (`whsec_…`), in the order of the masters.

    Raises:
        ValueError: a master is malformed.
    """
    return tuple(_derive(_key(master, place), tenant) for place, master in enumerate(masters, 1))


def _derive(master: bytes, tenant: str) -> SecretStr:
    derived = hmac.digest(master, b"catalog webhook " + tenant.encode(), hashlib.sha256)
    return SecretStr(_PREFIX + b64encode(derived).decode())


def _key(master: SecretStr, place: int) -> bytes:
    text = master.get_secret_value()
    encoded = text.removeprefix(_PREFIX)
    well_formed = text.startswith(_PREFIX) and len(encoded) % 4 == 0 and _BASE64.fullmatch(encoded)
    key = b64decode(encoded) if well_formed else b""
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(
            f"CATALOG_WEBHOOK_SECRETS: secret {place} is malformed, it must be {_PREFIX} and {_SHORTEST} to {_LONGEST} "
            "random bytes in base64"
        )
    return key
