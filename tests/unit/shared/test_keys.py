import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis

from api.access.keys_cli import end_of
from shared.tenants.admin_log import AdminLog
from shared.tenants.api_keys import KeyEndedError, KeyNotFoundError, KeyStore, Scope
from tests.redis_state import end_key, scopes_for_older_releases


@pytest.fixture
def keys(redis: Redis) -> KeyStore:
    return KeyStore(redis)


def test_a_key_is_found_by_its_text(keys: KeyStore) -> None:
    key, text = keys.create("shop-1", [Scope.TRAIN, Scope.CLASSIFY], "Élise's laptop")
    assert re.fullmatch("cat_[0-9a-f]{16}_[0-9a-f]{64}", text)
    assert keys.find(text) == key
    assert (key.tenant, sorted(key.scopes), key.name) == ("shop-1", ["classify", "train"], "Élise's laptop")
    assert keys.list() == [key]


def test_a_scope_of_this_release_does_not_stop_the_release_before(keys: KeyStore, redis: Redis) -> None:
    key, text = keys.create("a", [Scope.REVIEW, Scope.TRAIN])
    assert keys.list() == [keys.find(text)] == [key]
    assert scopes_for_older_releases(redis, key.id) == "train", "it reads each name here, and knows no other"
    _, alone = keys.create("a", [Scope.REVIEW])
    found = keys.find(alone)
    assert found is not None
    assert found.scopes == {Scope.REVIEW}


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


def test_a_key_with_an_end_is_found_until_then(keys: KeyStore, redis: Redis) -> None:
    end = keys.now() + timedelta(days=90)
    key, text = keys.create("a", [Scope.CLASSIFY], expires_at=end)
    assert keys.find(text) == key
    assert (key.expires_at, keys.list(), keys.valid(), keys.refused([key.id])) == (end, [key], [key], set())

    end_key(redis, key.id)
    with pytest.raises(KeyEndedError, match=r"^The API key ended at 2026-01-02T03:04:05Z: ask the operator"):
        keys.find(text)
    assert keys.find(text[:-8] + "00000000") is None, "only its holder is told that it has ended"
    assert (len(keys.list()), keys.valid(), keys.refused([key.id])) == (1, [], {key.id})

    keys.revoke(key.id)
    assert keys.find(text) is None


def test_a_key_has_no_end_by_default_and_none_in_the_past(keys: KeyStore, redis: Redis) -> None:
    for past in (keys.now(), datetime(2026, 1, 1, tzinfo=UTC)):
        with pytest.raises(ValueError, match="is not in the future"):
            keys.create("a", [Scope.CLASSIFY], expires_at=past)
    assert not keys.configured()
    key, _ = keys.create("a", [Scope.CLASSIFY])
    assert (key.expires_at, keys.list()) == (None, [key])
    other, _ = keys.create("a", [Scope.CLASSIFY], expires_at=datetime(2999, 1, 31, tzinfo=UTC))
    assert keys.list() == [key, other]
    without, with_end = AdminLog(redis).entries()
    assert "expires_at" not in without.facts
    assert with_end.facts["expires_at"] == "2999-01-31T00:00:00+00:00"


NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T18:00", datetime(2027, 1, 31, 18, tzinfo=UTC)),
        ("2027-01-31T18:00+09:00", datetime(2027, 1, 31, 9, tzinfo=UTC)),
    ],
)
def test_an_end_is_a_time_from_now_or_a_date(text: str, end: datetime) -> None:
    assert end_of(text, NOW) == end
    assert end_of(text, NOW).tzinfo is UTC


@given(
    st.text() | st.from_regex("[0-9٣]{0,6}[dhwm]?", fullmatch=True) | st.datetimes(timezones=st.timezones()).map(str)
)
@example("0d")
@example("-1d")
@example("9999-12-31T23:59:59-01:00")
@example("0001-01-01T00:00:00+01:00")
def test_any_other_end_is_refused_with_what_it_may_be(text: str) -> None:
    try:
        assert end_of(text, NOW).tzinfo is UTC
    except ValueError as error:
        assert str(error).startswith("--expires takes 1d to 9999d")  # noqa: PT017


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
