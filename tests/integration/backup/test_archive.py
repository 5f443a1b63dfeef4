"""A backup's files: what is no whole backup, or not as it was written, is refused."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from redis import Redis

from shared.ledger import Ledger
from shared.settings import Settings, get_settings
from shared.stores.blobs import Blobs
from shared.stores.decisions import Decision, DecisionKind, DecisionStore
from shared.stores.request_files import file_name
from stack.backup import command
from stack.backup.archive import FORMAT, MANIFEST, Archive, BackupError, RedisFigures, Writer
from stack.backup.progress import ProgressLines
from stack.backup.restoring import restore
from stack.backup.saving import save
from stack.backup.trees import TreeCopy, TreeLoad, trees
from tests import seaweedfs
from tests.jobs import opened
from tests.redis_state import live_jobs

DECISION = Decision(0, DecisionKind.NONE_OF_THESE, "shop", "anna", "0" * 24, 0)
FIGURES = RedisFigures(server="valkey 9", keys=0, jobs=0, unfinished=0, waiting={}, api_keys=0)


def of(port: int, folder: Path, database: int = 0) -> Settings:
    """Settings of an installation whose stores are in the folder."""
    return Settings(
        redis_url=f"redis://127.0.0.1:{port}/{database}",
        blob_url=f"file://{folder}/blobs",
        labels_url=f"file://{folder}/labels",
    )


@pytest.fixture
def settings(redis: Redis, redis_port: int, tmp_path: Path) -> Settings:
    """An installation with a job and three pictures."""
    found = of(redis_port, tmp_path / "installation")
    blobs = Blobs(found.blob_url)
    for content in (b"one", b"two", b"three"):
        blobs.put(content)
    DecisionStore(found.labels_url).append(file_name(1, "0" * 24), [DECISION])
    opened(Ledger(redis), [2, 3])
    return found


@pytest.fixture
def backup(settings: Settings, tmp_path: Path) -> Path:
    save(settings, str(tmp_path / "backup"), ProgressLines(), with_models=False)
    return tmp_path / "backup"


@pytest.fixture
def empty(backup: Path, redis: Redis, redis_port: int, tmp_path: Path) -> Settings:
    """An installation without anything, for the backup."""
    redis.flushdb()
    return of(redis_port, tmp_path / "empty")


def picture(backup: Path) -> Path:
    return next(path for path in sorted((backup / "pictures").rglob("*")) if path.is_file())


def test_everything_comes_back(backup: Path, empty: Settings, redis: Redis) -> None:
    restore(empty, str(backup), ProgressLines())
    ledger = Ledger(redis)
    (job,) = live_jobs(redis)
    assert (ledger.job(job.decode()).total, ledger.pending("bulk")) == (5, 5)
    blobs = Blobs(empty.blob_url)
    assert [blobs.get(sha256(content).hexdigest()) for content in (b"one", b"two", b"three")] == [
        b"one",
        b"two",
        b"three",
    ]
    assert [decision.by for decision in DecisionStore(empty.labels_url).decisions()] == ["anna"]


def test_an_interrupted_restore_is_continued(backup: Path, empty: Settings, redis: Redis) -> None:
    pictures, *_ = trees(empty)
    TreeLoad(pictures, Archive(str(backup)), ProgressLines()).load()
    picture_there = next(iter(Path(empty.blob_url.removeprefix("file://")).rglob("??/*")))
    written = picture_there.stat().st_mtime_ns
    redis.set("restored-catalog:left", "by an interrupted restore")
    restore(empty, str(backup), ProgressLines())
    assert not redis.exists("restored-catalog:left", "catalog:left")
    assert picture_there.stat().st_mtime_ns == written


@pytest.mark.parametrize("what", ["keys", "pictures"])
def test_nothing_is_restored_over_other_things(backup: Path, empty: Settings, redis: Redis, what: str) -> None:
    if what == "keys":
        redis.set("catalog:some", "key")
    else:
        Blobs(empty.blob_url).put(b"another")
    with pytest.raises(BackupError, match="only into an empty installation"):
        restore(empty, str(backup), ProgressLines())
    assert redis.dbsize() == (what == "keys")


def test_an_interrupted_backup_is_none(backup: Path, empty: Settings) -> None:
    (backup / MANIFEST).unlink()
    with pytest.raises(BackupError, match=r"no whole backup: it has no manifest\.json"):
        restore(empty, str(backup), ProgressLines())


def test_a_changed_or_missing_file_is_refused_before_anything_is_restored(
    backup: Path, empty: Settings, redis: Redis
) -> None:
    kept = picture(backup).read_bytes()
    for damage in (b"other", None):
        picture(backup).write_bytes(kept)
        target = picture(backup)
        target.unlink() if damage is None else target.write_bytes(damage)
        with pytest.raises(BackupError, match=r"is damaged: pictures/.*(has changed|is missing)"):
            restore(empty, str(backup), ProgressLines())
        target.write_bytes(kept)
    index = backup / "index/000001.ndjson"
    index.write_bytes(index.read_bytes().replace(b"pictures", b"picturez"))
    with pytest.raises(BackupError, match=r"index/000001\.ndjson has changed"):
        restore(empty, str(backup), ProgressLines())
    assert redis.dbsize() == 0
    assert not Path(empty.blob_url.removeprefix("file://")).exists()


def test_a_newer_format_is_refused(backup: Path, empty: Settings) -> None:
    manifest = json.loads((backup / MANIFEST).read_text())
    changed = {"format": FORMAT + 1, "project": "99.0", "what": "nobody knows yet"}
    (backup / MANIFEST).write_text(json.dumps(changed))
    with pytest.raises(BackupError, match=r"newer release \(99\.0, format 2; this release reads format 1\)"):
        restore(empty, str(backup), ProgressLines())
    (backup / MANIFEST).write_text(json.dumps({**manifest, "index": "none"}))
    with pytest.raises(BackupError, match=r"manifest\.json has a wrong form"):
        restore(empty, str(backup), ProgressLines())


@pytest.mark.parametrize(
    "path", ["pictures/../../out", "pictures/aa/" + "b" * 64, "/etc/x", "pictures/ab/" + "ab" + "0" * 62]
)
def test_a_forged_index_names_no_file_elsewhere(empty: Settings, tmp_path: Path, path: str) -> None:
    forged = tmp_path / "forged"
    Writer(str(forged)).finish(datetime.now(UTC), FIGURES, None)
    manifest = json.loads((forged / MANIFEST).read_text())
    line = json.dumps({"path": path, "bytes": 1, "sha256": sha256(b"x").hexdigest()}).encode()
    (forged / "index").mkdir()
    (forged / "index/000001.ndjson").write_bytes(line)
    part = {"path": "index/000001.ndjson", "bytes": len(line), "sha256": sha256(line).hexdigest()}
    (forged / MANIFEST).write_text(json.dumps({**manifest, "index": [part]}))
    with pytest.raises(BackupError, match="is damaged"):
        restore(empty, str(forged), ProgressLines())


@pytest.fixture
def by_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The installation is the one that the environment names; the command's umask ends with the test."""
    before = os.umask(0o022)
    for name in ("redis_url", "blob_url", "labels_url"):
        monkeypatch.setenv(f"CATALOG_{name.upper()}", getattr(settings, name))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()
    os.umask(before)


@pytest.mark.usefixtures("by_settings")
def test_only_the_owner_reads_a_backup_and_its_place_is_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "private"
    command.main(["backup", str(place), "--without-models"])
    assert "pictures: 3 files, 11 bytes" in capsys.readouterr().out
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (place, *place.rglob("*"))} == {0}
    with pytest.raises(SystemExit, match="is not empty: name a new folder"):
        command.main(["backup", str(place), "--without-models"])


@pytest.mark.usefixtures("by_settings")
def test_a_password_in_a_url_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["restore", "ftp://somebody:secret@127.0.0.1:1/place"])
    told = capsys.readouterr()
    assert str(ended.value).startswith("catalog-run restore: ")
    assert "secret" not in str(ended.value) + told.out + told.err


def test_a_picture_that_is_damaged_in_the_store_is_left_out_and_said(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = next(Path(settings.blob_url.removeprefix("file://")).rglob("??/*"))
    stored.write_bytes(b"rotten")
    manifest = save(settings, str(tmp_path / "backup"), ProgressLines(), with_models=False)
    assert manifest.contents["pictures"].files == 2
    assert "left out" in capsys.readouterr().err


def test_pictures_that_come_during_the_backup_are_in_it(settings: Settings, tmp_path: Path) -> None:
    pictures, *_ = trees(settings)
    writer = Writer(str(tmp_path / "backup"))
    copy = TreeCopy(pictures, writer, ProgressLines())
    copy.turn()
    Blobs(settings.blob_url).put(b"late")
    shutil.rmtree(next(Path(settings.blob_url.removeprefix("file://")).iterdir()))  # removed: nothing refers to it
    copy.turn()
    assert writer.contents["pictures"].files == 4


def test_a_backup_lies_in_a_bucket(
    settings: Settings, tmp_path: Path, redis: Redis, redis_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seaweedfs.running(tmp_path / "s3") as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.SECRET_KEY)
        place = f"s3://{seaweedfs.BUCKET}/backups/monday"
        save(settings, place, ProgressLines(), with_models=False)
        redis.flushdb()
        restored = restore(of(redis_port, tmp_path / "empty"), place, ProgressLines())
        assert (restored.manifest.redis.jobs, restored.size.files) == (1, 5)
        with pytest.raises(BackupError, match="is not empty"):
            Writer(place)
