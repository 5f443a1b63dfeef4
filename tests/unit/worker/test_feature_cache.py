"""Features kept in real files, by several threads and processes."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from shared.model.bundle import Bundle
from shared.settings import ROOT
from stack.processes import Process
from tests.folders import remove_in_use
from tests.unit.worker.feature_writer import BACKBONE, LIMIT, features, name
from tests.waiting import wait_for
from training.pipeline.layout import STARTER
from worker.classify.caches import FeatureCache, SeenPicture, backbone_key
from worker.classify.caches import features as feature_cache


@contextmanager
def opened(folder: Path, limit: int = LIMIT, backbone: bytes = BACKBONE) -> Iterator[FeatureCache]:
    with closing(FeatureCache(folder, backbone, limit)) as cache:
        yield cache


def awaited(cache: FeatureCache, picture: int) -> None:
    """Until its features are there: files are opened, and written, by a thread of the cache."""
    wait_for(f"picture {picture} is known", lambda: cache.get(name(picture)) is not None, timeout_s=30)
    assert_right(cache, picture)


def assert_right(cache: FeatureCache, picture: int) -> bool:
    """Whether the picture is known; what is known must be right."""
    found = cache.get(name(picture))
    if found is not None:
        np.testing.assert_array_equal(found.features, features(picture))
        assert found.look == picture << 40
    return found is not None


def put(cache: FeatureCache, *pictures: int) -> None:
    for picture in pictures:
        cache.put(name(picture), SeenPicture(features(picture), picture << 40))


def started(folder: Path, log: Path, first: int, end: int, last: int) -> Process:
    command = [sys.executable, "-m", "tests.unit.worker.feature_writer", *map(str, (folder, first, end, last))]
    return Process("writer", command, log, {"PYTHONPATH": str(ROOT)}, ROOT)


def test_features_are_cached_at_once_and_on_disk(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        put(cache, 1, 2)
        assert assert_right(cache, 1)
        assert cache.get(name(3)) is None
    with opened(tmp_path) as cache:
        awaited(cache, 1)
        assert assert_right(cache, 2)
        assert cache.get(name(3)) is None


def test_features_are_not_shared_between_backbones(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        put(cache, 1)
    with opened(tmp_path, backbone=b"another") as cache:
        put(cache, 2)
        assert not assert_right(cache, 1)
    with opened(tmp_path) as cache:
        awaited(cache, 1)
        assert cache.get(name(2)) is None


def test_the_backbones_key_follows_the_network_the_precision_and_the_size_but_not_the_heads() -> None:
    bundle = Bundle.load(ROOT / STARTER)

    def changed(**fields: object) -> Bundle:
        return Bundle(bundle.folder, bundle.manifest.model_copy(update=fields))

    known = backbone_key(bundle, "openvino bf16")
    files = bundle.manifest.files
    assert backbone_key(changed(files=files | {"image.npz": "0", "text.npz": "0"}, data="0"), "openvino bf16") == known
    others = [
        backbone_key(bundle, "openvino f32"),
        backbone_key(changed(image_size=bundle.manifest.image_size + 32), "openvino bf16"),
        backbone_key(changed(files=files | {"backbone.bin": "0"}), "openvino bf16"),
        backbone_key(changed(files=files | {"backbone.xml": "0"}), "openvino bf16"),
    ]
    assert len({known, *others}) == 5


def test_oldest_features_are_dropped_first(tmp_path: Path) -> None:
    with opened(tmp_path, limit=100) as cache:
        put(cache, *range(250))
        put(cache, 200)  # known: it does not become younger
    with opened(tmp_path, limit=100) as cache:
        awaited(cache, 249)
        assert [picture for picture in range(250) if assert_right(cache, picture)] == list(range(150, 250))
        put(cache, 250)
    with opened(tmp_path, limit=10) as cache:
        put(cache, 251)
    with opened(tmp_path, limit=10) as cache:
        awaited(cache, 251)
        assert [picture for picture in range(252) if assert_right(cache, picture)] == list(range(242, 252))


def test_feature_cache_works_with_many_threads(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:

        def work(seed: int) -> None:
            for picture in np.random.default_rng(seed).integers(0, 40, 60).tolist():
                put(cache, picture)
                assert assert_right(cache, picture)

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(work, range(16)))
    with opened(tmp_path) as cache:
        awaited(cache, 0)
        assert all(assert_right(cache, picture) for picture in range(40))


def test_feature_cache_is_shared_by_two_processes(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    one = started(folder, tmp_path / "one.log", 0, 300, 499)
    other = started(folder, tmp_path / "other.log", 200, 500, 0)
    wait_for("both have ended", lambda: not one.running and not other.running)
    assert one.tail() + other.tail() == ""
    with opened(folder) as cache:
        awaited(cache, 0)
        assert all(assert_right(cache, picture) for picture in range(500))


def test_feature_cache_survives_a_kill_while_writing(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    begun = (1, 100_001, 200_001)
    for first in begun:
        writer = started(folder, tmp_path / "writer.log", first, first + 100_000, last=-1)  # which nobody puts
        with opened(folder) as cache:
            awaited(cache, first)
            writer.kill()
            known = [picture for picture in range(first, first + 1000) if assert_right(cache, picture)]
            assert known[:3] == [first, first + 1, first + 2]
            put(cache, first - 1)
    with opened(folder) as cache:
        for first in begun:
            awaited(cache, first)
            assert assert_right(cache, first - 1)
    assert [path.name for path in folder.glob("*.sqlite")] == ["0.sqlite"]
    assert writer.tail() == ""


def _no_sqlite(path: Path) -> None:
    path.write_bytes(b"this is no SQLite file, whatever its name says" * 1000)


def _another_table(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE features (something TEXT)")


def _cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 // 4096 * 4096)


def _scrambled(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(np.random.default_rng(0).bytes(path.stat().st_size - 4096))


def _flipped(path: Path) -> None:
    """A single bit, which SQLite does not see."""
    content, (value,) = path.read_bytes(), (features(1).astype("<f2").tobytes()[-64:],)
    where = content.index(value)
    path.write_bytes(content[:where] + bytes([content[where] ^ 1]) + content[where + 1 :])


@pytest.mark.parametrize("damage", [_no_sqlite, _another_table, _cut, _scrambled, _flipped])
def test_damaged_feature_file_is_replaced(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "_RETRY_S", 0.05)
    folder = tmp_path / "features"
    with opened(folder) as cache:
        put(cache, *range(100))
    damage(folder / "0.sqlite")
    with opened(folder) as cache:
        # Damage deep inside is found when it is met; until then the rest may be used.
        wait_for("the damage is found", lambda: [assert_right(cache, p) for p in range(100)] and _is_anew(folder))
        assert "damaged and discarded" in caplog.text
        put(cache, 1, 200)
    with opened(folder) as cache:
        awaited(cache, 200)
        assert assert_right(cache, 1)
    assert [path.name for path in folder.glob("*.sqlite")] == ["1.sqlite"]


def _is_anew(folder: Path) -> bool:
    return (folder / "1.sqlite").exists() and not (folder / "0.sqlite").exists()


def test_two_processes_replace_the_same_damaged_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "_RETRY_S", 0.05)
    folder = tmp_path / "features"
    with opened(folder) as cache:
        put(cache, *range(100))
    _flipped(folder / "0.sqlite")
    with opened(folder) as one, opened(folder) as other:
        awaited(one, 0)
        awaited(other, 0)
        assert (one.get(name(1)), other.get(name(1))) == (None, None)
        put(one, 300)
        put(other, 301)
        awaited(one, 301)
        awaited(other, 300)
    assert [path.name for path in folder.glob("*.sqlite")] == ["1.sqlite"]


def test_unusable_feature_folder_is_only_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "_RETRY_S", 0.05)
    folder = tmp_path / "features"
    folder.write_text("a file is in its place")
    with opened(folder) as cache:
        put(cache, *range(2000))
        assert sum(assert_right(cache, picture) for picture in range(1100)) == 1024  # as many as may wait
        wait_for("it is told", lambda: "features cannot be cached" in caplog.text)
        folder.unlink()
        wait_for("it is used once that is possible", lambda: (folder / "0.sqlite").exists())
    with opened(folder) as cache:
        awaited(cache, 0)


def test_vanished_feature_folder_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    with opened(folder) as cache:
        put(cache, 1)
        wait_for("the file is opened", lambda: (folder / "0.sqlite").exists())
        remove_in_use(folder)
        put(cache, 2)
        assert assert_right(cache, 2)
    with opened(folder) as cache:
        put(cache, 3)
    with opened(folder) as cache:
        awaited(cache, 3)


def test_disabled_feature_cache_touches_no_file(tmp_path: Path) -> None:
    with opened(tmp_path / "features", limit=0) as cache:
        put(cache, 1)
        assert cache.get(name(1)) is None
    assert not (tmp_path / "features").exists()
