"""Signing secrets are derived per tenant."""

from base64 import b64decode, b64encode

import pytest
from pydantic import SecretStr

from shared.tenants.webhook_secrets import signing_secrets


def _master(size: int, byte: int = 7) -> SecretStr:
    return SecretStr("whsec_" + b64encode(bytes([byte]) * size).decode())


def test_secrets_differ_by_tenant_and_master() -> None:
    masters = [_master(24), _master(64, byte=8)]
    secrets = [secret.get_secret_value() for tenant in ("shop", "other") for secret in signing_secrets(masters, tenant)]
    assert len(set(secrets)) == 4
    assert all(len(b64decode(secret.removeprefix("whsec_"))) == 32 for secret in secrets)


def test_secrets_are_stable_and_in_the_order_of_the_masters() -> None:
    old, new = _master(32), _master(32, byte=8)
    assert signing_secrets([new, old], "shop") == (*signing_secrets([new], "shop"), *signing_secrets([old], "shop"))
    assert signing_secrets([], "shop") == ()


@pytest.mark.parametrize(
    "master",
    [
        _master(23),
        _master(65),
        SecretStr("c2VjcmV0" * 5),
        SecretStr("whsec_"),
        SecretStr("whsec_" + "not-base64!" * 4),
        SecretStr("whsec_" + "c2VjcmV0" * 5 + "c2V"),
        SecretStr(_master(32).get_secret_value() + "\n"),
    ],
    ids=["short", "long", "no prefix", "empty", "no base64", "cut", "with a newline"],
)
def test_a_malformed_master_secret_is_reported_by_position_only(master: SecretStr) -> None:
    with pytest.raises(ValueError, match="CATALOG_WEBHOOK_SECRETS: secret 2 is malformed") as caught:
        signing_secrets([_master(32), master], "shop")
    shown = master.get_secret_value().removeprefix("whsec_")[:12]
    assert not shown or shown not in str(caught.value)
