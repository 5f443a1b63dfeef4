from pathlib import Path

import pytest
from redis import Redis

from shared.redis_access import LuaScripts, in_bytes, in_seconds, now


def test_a_client_that_decodes_replies_is_refused() -> None:
    with pytest.raises(ValueError, match="decode_responses=False"):
        in_bytes(Redis(decode_responses=True))


def test_now_is_the_time_of_redis(redis: "Redis") -> None:
    client = in_bytes(redis)
    before, between, after = in_seconds(client.time()), now(client), in_seconds(client.time())
    assert before <= between <= after


def test_a_script_follows_the_preamble_and_the_folder_s_common_part(redis: "Redis", tmp_path: Path) -> None:
    (tmp_path / "common.lua").write_text("local function twice(number) return FIRST * number end")
    (tmp_path / "double.lua").write_text("return twice(tonumber(ARGV[1]))")
    (tmp_path / "notes.txt").write_text("not a script")
    scripts = LuaScripts(tmp_path, preamble="local FIRST = 2")
    assert scripts.load(redis, "double")(args=[21]) == 42
    with pytest.raises(KeyError):
        scripts.load(redis, "common")


def test_a_folder_needs_no_common_part(redis: "Redis", tmp_path: Path) -> None:
    (tmp_path / "echo.lua").write_text("return ARGV[1]")
    assert LuaScripts(tmp_path).load(redis, "echo")(args=["word"]) == b"word"
