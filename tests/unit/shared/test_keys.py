import hashlib
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis

from shared.tenants.api_keys import KeyNotFoundError, KeyStore, Scope


@pytest.fixture
def keys(redis: Redis) -> KeyStore:
    return KeyStore(redis)


def test_a_key_is_found_by_its_text(keys: KeyStore) -> None:
    key, text = keys.create("shop-1", [Scope.TRAIN, Scope.CLASSIFY], "Élise's laptop")
    assert re.fullmatch("cat_[0-9a-f]{16}_[0-9a-f]{64}", text)
    assert keys.find(text) == key
    assert (key.tenant, sorted(key.scopes), key.name) == ("shop-1", ["classify", "train"], "Élise's laptop")
    assert keys.list() == [key]


def test_a_key_with_another_secret_or_id_is_not_found(keys: KeyStore) -> None:
    (one, text), (other, _) = keys.create("a", [Scope.CLASSIFY]), keys.create("b", [Scope.CLASSIFY])
    assert keys.find(text.replace(one.id, other.id)) is None
    assert keys.find(text.replace(one.id, "0" * 16)) is None
    assert keys.find(text[:-1] + ("0" if text[-1] != "0" else "1")) is None


def test_a_revoked_key_is_not_found_but_listed(keys: KeyStore) -> None:
    assert not keys.configured()
    key, text = keys.create("a", [Scope.ADMIN])
    revoked = keys.revoke(key.id)
    assert revoked.revoked_at is not None
    assert keys.find(text) is None
    assert keys.list() == [revoked] == [keys.revoke(key.id)]  # a second time changes nothing
    assert keys.configured()


@pytest.mark.parametrize("identifier", ["", "ids", "*", "0" * 16, "../ids", "é" * 16])
def test_revoking_an_unknown_key_is_an_error(keys: KeyStore, redis: Redis, identifier: str) -> None:
    keys.create("a", [Scope.CLASSIFY])
    before = _names(redis)
    with pytest.raises(KeyNotFoundError, match="there is no key with the id"):
        keys.revoke(identifier)
    assert _names(redis) == before


@pytest.mark.parametrize("tenant", ["", "local", "Shop", "a b", "a:b", "a/b", "-a", "é", "a\n", "a*", "x" * 41])
def test_a_key_for_an_invalid_tenant_is_refused(keys: KeyStore, tenant: str) -> None:
    with pytest.raises(ValueError, match="tenant"):
        keys.create(tenant, [Scope.CLASSIFY])
    assert not keys.configured()


def test_a_key_needs_a_scope_and_a_printable_name(keys: KeyStore) -> None:
    with pytest.raises(ValueError, match="at least one scope of classify, train, admin"):
        keys.create("a", [])
    for name in ("\x1b[2J", "x" * 101):
        with pytest.raises(ValueError, match="up to 100 printable characters"):
            keys.create("a", [Scope.CLASSIFY], name)


_SECRET = "0123456789abcdef" * 4
_NEARLY = st.from_regex(r"cat_[0-9a-f]{0,16}[:*?\[\]\r\n\x00_]?[0-9a-f]{0,16}_[0-9a-fA-F]{62,66}\n?", fullmatch=True)


@given(st.text() | _NEARLY)
@example(f"cat_ids_{_SECRET}")
@example(f"cat_decoy_{_SECRET}")
@example(f"cat_*_{_SECRET}")
@example(f"cat_{'٣' * 16}_{_SECRET}")
@example(f"cat_{'0' * 16}_{_SECRET}\n")
@example("cat_" + "0" * 1_000_000)
@example("cat_\ud800_")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_other_text_is_no_key_and_reads_no_other_redis_key(keys: KeyStore, redis: Redis, text: str) -> None:
    if not redis.exists("catalog:key:decoy"):
        keys.create("a", [Scope.CLASSIFY])
        # What would let the text in, were it allowed to name another key of Redis.
        redis.hset("catalog:key:decoy", "digest", hashlib.sha256(_SECRET.encode()).hexdigest())
    before = _names(redis)
    assert keys.find(text) is None
    assert _names(redis) == before


def _names(redis: Redis) -> set[bytes]:
    return set(redis.scan_iter())
