"""Caches know whose answers they keep: those of this very code."""

from pathlib import Path

import pytest

from shared.settings import ROOT
from worker.classify.caches import code, features, predictions
from worker.classify.caches.code import code_hash


def test_it_follows_every_change_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "ROOT", tmp_path)
    (tmp_path / "model/runtimes").mkdir(parents=True)
    hashes = []
    for name, content in [("model/text.py", "a"), ("model/runtimes/fast.py", "a"), ("one.py", "a"), ("one.py", "b")]:
        (tmp_path / name).write_text(content)
        code_hash.cache_clear()
        hashes.append(code_hash("model", "one.py"))
    (tmp_path / "other.py").write_text("a")
    code_hash.cache_clear()
    assert code_hash("model", "one.py") == hashes[-1]
    assert len(set(hashes)) == len(hashes)
    code_hash.cache_clear()


def test_the_code_that_is_named_is_there() -> None:
    for path in (*predictions._ANSWERING, *features._SEEING):
        assert (ROOT / path).exists()
