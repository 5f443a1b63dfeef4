"""The copy of Redis: of one moment, while others write, and never at their cost."""

import threading
import time
from typing import Any

import pytest
from redis import Redis, RedisError

from shared.settings import Settings
from stack.backup import redis_copy
from stack.backup.archive import BackupError
from stack.backup.progress import ProgressLines
from stack.backup.redis_copy import RedisCopy
from stack.backup.redis_load import RedisLoad

ACCOUNTS, MONEY = 2000, 100


@pytest.fixture
def settings(redis_port: int) -> Settings:
    return Settings(redis_url=f"redis://127.0.0.1:{redis_port}/0")


def copied(settings: Settings) -> list[bytes]:
    pieces: list[bytes] = []
    RedisCopy(settings, pieces.append, ProgressLines()).take()
    return pieces


def restored(settings: Settings, redis: Redis, pieces: list[bytes]) -> None:
    redis.flushdb()
    load = RedisLoad(settings)
    load.load(pieces)
    load.adopt()


def test_every_type_comes_back_as_it_was(settings: Settings, redis: Redis) -> None:
    client: Any = redis
    binary = bytes(range(256)) + b"\r\n*1\r\n$"
    redis.set(b"catalog:string:" + binary, binary)
    redis.set("catalog:empty", "")
    redis.hset("catalog:hash", mapping={f"field {i}": binary for i in range(1500)})
    redis.rpush("catalog:list", *range(2500))
    redis.sadd("catalog:set", *range(1200))
    redis.zadd("catalog:zset", {f"member {i}": i / 7 for i in range(1200)} | {"last": float("inf")})
    redis.set("catalog:passing", "1", pxat=int(time.time() * 1000) + 3_600_123)
    redis.set("other", "not the service's")
    keys = redis.keys("catalog:*")
    before = {key: (redis.dump(key), client.pexpiretime(key)) for key in keys if redis.type(key) in (b"string",)}
    values = redis.hgetall("catalog:hash"), redis.lrange("catalog:list", 0, -1), redis.smembers("catalog:set")
    scores = redis.zrange("catalog:zset", 0, -1, withscores=True)
    restored(settings, redis, copied(settings))
    assert set(redis.keys("*")) == set(keys)
    assert {key: (redis.dump(key), client.pexpiretime(key)) for key in before} == before
    assert values == (redis.hgetall("catalog:hash"), redis.lrange("catalog:list", 0, -1), redis.smembers("catalog:set"))
    assert scores == redis.zrange("catalog:zset", 0, -1, withscores=True)


def test_the_copy_is_of_one_moment_while_others_write(settings: Settings, redis: Redis, redis_port: int) -> None:
    """Money moves between keys in atomic steps, and through a queue: a copy of two moments has another sum."""
    redis.mset({f"catalog:account:{i}": MONEY for i in range(ACCOUNTS)})
    stopped, moved = threading.Event(), [0]

    def move() -> None:
        with Redis(port=redis_port) as own:
            while not stopped.is_set():
                i = moved[0] * 997
                with own.pipeline() as pipe:
                    pipe.decr(f"catalog:account:{i % ACCOUNTS}").incr(f"catalog:account:{(i * 31 + 7) % ACCOUNTS}")
                    pipe.decr(f"catalog:account:{(i + 1) % ACCOUNTS}").rpush("catalog:queue", 1)
                    pipe.execute()
                if moved[0] % 3 == 0 and own.eval(
                    "if redis.call('LPOP', KEYS[1]) then return redis.call('INCR', KEYS[2]) end",
                    2,
                    "catalog:queue",
                    f"catalog:new:{moved[0]}",
                ):
                    own.delete("catalog:nothing")
                moved[0] += 1

    writers = [threading.Thread(target=move) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        pieces = copied(settings)
        assert moved[0] > 20, "others write while the keys are copied"
    finally:
        stopped.set()
        for writer in writers:
            writer.join()
    restored(settings, redis, pieces)
    strings = [key for key in redis.keys("catalog:*") if redis.type(key) == b"string"]
    assert sum(int(value or 0) for value in redis.mget(strings)) + redis.llen("catalog:queue") == ACCOUNTS * MONEY


def test_writers_go_on_after_a_copy_that_would_make_them_wait_too_long(
    settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_copy, "_PAUSE_S", 0.0)
    redis.set("catalog:some", "key")
    with pytest.raises(BackupError, match="changes faster than it can be copied"):
        copied(settings)
    redis.set("catalog:some", "other")


def test_a_copy_without_redis_telling_of_changes_is_none(
    settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.set("catalog:some", "key")
    copy = RedisCopy(settings, lambda piece: None, ProgressLines())
    finish = copy._finish

    def cut() -> object:
        redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
        return finish()

    monkeypatch.setattr(copy, "_finish", cut)
    with pytest.raises(RedisError):
        copy.take()


def test_a_redis_that_is_emptied_meanwhile_gives_no_copy(
    settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.set("catalog:some", "key")

    def keep(piece: bytes) -> None:
        redis.flushdb()

    copy = RedisCopy(settings, keep, ProgressLines())
    with pytest.raises(BackupError, match="was emptied"):
        copy.take()


@pytest.mark.parametrize(
    "piece",
    [
        b"*1\r\n$8\r\nFLUSHALL\r\n",
        b"*3\r\n$3\r\nSET\r\n$5\r\nother\r\n$1\r\n1\r\n",
        b"*3\r\n$3\r\nDEL\r\n$9\r\ncatalog:a\r\n$5\r\nother\r\n",
        b"*2\r\n$4\r\nHSET\r\n$9\r\ncatalog:a\r\n",
        b"*3\r\n$3\r\nSET\r\n$900\r\ncatalog:a\r\n",
        b"SET catalog:a 1\r\n",
    ],
)
def test_other_commands_than_those_of_a_copy_are_refused(settings: Settings, redis: Redis, piece: bytes) -> None:
    redis.set("other", "not the service's")
    with pytest.raises(BackupError):
        RedisLoad(settings).load([piece])
    assert redis.keys("*") == [b"other"]


def test_keys_that_come_during_the_restore_are_not_mixed_with_it(settings: Settings, redis: Redis) -> None:
    redis.set("catalog:some", "key")
    pieces = copied(settings)
    redis.flushdb()
    load = RedisLoad(settings)
    load.load(pieces)
    assert redis.keys("catalog:*") == []
    redis.set("catalog:other", "a process that was started too early")
    with pytest.raises(BackupError, match="came during the restore"):
        load.adopt()
    assert redis.keys("catalog:*") == [b"catalog:other"]
