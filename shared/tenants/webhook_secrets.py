"""The secrets that webhooks are signed with: one per tenant and master secret.

With a shared secret each tenant could forge the others' events. The secrets are derived, so only the master secrets
have to be kept, and a tenant's secrets can be shown at any time.
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
"""Length in bytes by the Standard Webhooks specification."""


def signing_secrets(masters: Sequence[SecretStr], tenant: str) -> tuple[SecretStr, ...]:
    """Derive the tenant's secrets, as its receiver needs them (`whsec_…`), in the order of the master secrets.

    Raises:
        ValueError: A master secret is malformed.
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
