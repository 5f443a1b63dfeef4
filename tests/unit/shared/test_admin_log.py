import json
import threading

import pytest
from redis import Redis

from shared.tenants.admin_log import AdminAct, AdminLog, BrokenLogError
from shared.tenants.api_keys import KeyStore, Scope
from tests.redis_state import admin_log, change_admin_log


@pytest.fixture
def log(redis: Redis) -> AdminLog:
    """A log with three entries."""
    made = AdminLog(redis)
    for version in ("1", "2", "3"):
        made.record(AdminAct.MODEL_PROMOTED, "shop/0123", {"version": version, "why": "é: it is better"})
    return made


def test_entries_are_read_as_they_were_written(log: AdminLog, redis: Redis) -> None:
    entries = list(log.entries())
    assert [(entry.number, entry.act, entry.by, entry.facts["version"]) for entry in entries] == [
        (number, "model.promoted", "shop/0123", str(number)) for number in (1, 2, 3)
    ]
    assert len({entry.hash for entry in entries}) == 3
    assert list(AdminLog(redis).entries()) == entries


def test_an_empty_log_is_whole(redis: Redis) -> None:
    assert list(AdminLog(redis).entries()) == []


@pytest.mark.parametrize("field", ["number", "at", "act", "by", "facts", "hash"])
def test_a_changed_entry_is_found(log: AdminLog, redis: Redis, field: str) -> None:
    content = json.loads(admin_log(redis)[1])
    other = {"number": 7, "at": "2020-01-01T00:00:00+00:00", "facts": {}}.get(field, "0" * 64)
    change_admin_log(redis, 2, json.dumps({**content, field: other}).encode())
    _assert_broken(log, 2)


@pytest.mark.parametrize("entry", [b"", b"{}", b"[]", b"null", b"\xff", b'{"hash": 1}'])
def test_an_entry_that_is_none_is_found(log: AdminLog, redis: Redis, entry: bytes) -> None:
    change_admin_log(redis, 2, entry)
    _assert_broken(log, 2)


@pytest.mark.parametrize("number", [1, 2])
def test_a_removed_entry_is_found(log: AdminLog, redis: Redis, number: int) -> None:
    change_admin_log(redis, number, None)
    _assert_broken(log, number)


def test_entries_in_another_order_are_found(log: AdminLog, redis: Redis) -> None:
    second, third = admin_log(redis)[1:]
    change_admin_log(redis, 2, third)
    change_admin_log(redis, 3, second)
    _assert_broken(log, 2)


def test_entries_written_at_the_same_time_make_one_chain(redis: Redis) -> None:
    def write() -> None:
        for _ in range(10):
            AdminLog(redis).record(AdminAct.MODEL_ROLLED_BACK, "shop", {"why": ""})

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.number for entry in AdminLog(redis).entries()] == list(range(1, 41))


def test_a_key_and_its_entry_are_one_step(redis: Redis) -> None:
    keys = KeyStore(redis)
    key, text = keys.create("shop", [Scope.CLASSIFY], "nightly", by="command/anna")
    keys.revoke(key.id, by="command/otto")
    keys.revoke(key.id, by="command/otto")  # changes nothing, and so is no act
    entries = list(AdminLog(redis).entries())
    assert [(entry.act, entry.by, entry.facts["key"], entry.facts["tenant"]) for entry in entries] == [
        ("key.created", "command/anna", key.id, "shop"),
        ("key.revoked", "command/otto", key.id, "shop"),
    ]
    assert text.rpartition("_")[2] not in repr(admin_log(redis))


def _assert_broken(log: AdminLog, number: int) -> None:
    with pytest.raises(BrokenLogError, match=f"entry {number} of the administrative log"):
        list(log.entries())
