import shutil
from pathlib import Path

import pytest
from redis import Redis

from shared.model.bundle import Bundle
from shared.settings import ROOT, Settings
from tests.waiting import wait_for
from training.pipeline.layout import STARTER
from worker.serving import champion
from worker.serving.champion import Champion
from worker.serving.engine import Engine


def test_champion_waits_for_a_missing_bundle_and_gives_the_reason(
    redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = Bundle.load(ROOT / STARTER)
    monkeypatch.setattr(champion, "_RETRY_S", 0.05)
    folder = tmp_path / "bundle"
    waiting = Champion(Settings(model=str(folder)), redis)
    waiting.start()
    wait_for("the problem is told", lambda: "holds no manifest.json" in (waiting.problem or ""))
    assert waiting.engine is None
    shutil.copytree(starter.folder, tmp_path / "coming")
    (tmp_path / "coming").rename(folder)
    engine = wait_for("the model is served", lambda: waiting.engine)
    assert engine.bundle.id == starter.id
    assert waiting.problem is None
    waiting.stop()


def test_an_error_that_nobody_expects_does_not_end_following_the_champion(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(champion, "_RETRY_S", 0.05)
    caplog.set_level("INFO", "shared.background")

    def hand_over(_: Engine) -> None:
        raise ZeroDivisionError

    following = Champion(Settings(model=str(ROOT / STARTER)), redis, hand_over)
    following.start()
    wait_for("it goes on", lambda: "following the champion goes on again" in caplog.text)
    assert "following the champion cannot go on, and is tried again: ZeroDivisionError" in caplog.text
    following.stop()
