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
