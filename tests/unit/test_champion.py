import shutil
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.conftest import Trained
from tests.waiting import wait_for
from worker import champion
from worker.champion import Champion


def test_a_worker_waits_for_its_model_and_says_why(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(champion, "_RETRY_S", 0.05)
    folder = tmp_path / "bundle"
    waiting = Champion(Settings(model=str(folder)))
    waiting.start()
    wait_for("the problem is told", lambda: "holds no manifest.json" in (waiting.problem or ""))
    assert waiting.engine is None
    shutil.copytree(trained.bundle.folder, tmp_path / "coming")
    (tmp_path / "coming").rename(folder)
    engine = wait_for("the model is served", lambda: waiting.engine)
    assert engine.bundle.version == trained.bundle.version
    assert waiting.problem is None
    waiting.stop()
