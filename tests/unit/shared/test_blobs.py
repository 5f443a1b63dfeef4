"""The pictures' store, on a folder and on a file system that is none."""

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from shared.stores.blobs import BlobNotFoundError, Blobs

NOW = datetime.now(UTC)


@pytest.fixture(params=["file", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return Blobs(tmp_path.as_uri() if request.param == "file" else f"memory://{tmp_path.name}")


def test_a_blob_is_read_by_its_hash(blobs: Blobs) -> None:
    name = blobs.put(b"picture")
    assert name == sha256(b"picture").hexdigest() == blobs.put(b"picture")
    assert blobs.get(name) == b"picture"
    with pytest.raises(BlobNotFoundError):
        blobs.get("0" * 64)


def test_old_blobs_are_listed_and_removed(blobs: Blobs) -> None:
    name = blobs.put(b"picture")
    assert list(blobs.older_than(NOW - timedelta(hours=1))) == []
    later = NOW + timedelta(hours=1)
    assert list(blobs.older_than(later)) == [name]
    assert not blobs.remove(name, older_than=NOW - timedelta(hours=1))
    assert blobs.remove(name, older_than=later)
    assert not blobs.remove(name, older_than=later)
    assert list(blobs.older_than(later)) == []


def test_an_empty_store_lists_no_old_blobs(tmp_path: Path) -> None:
    assert list(Blobs((tmp_path / "never").as_uri()).older_than(NOW)) == []


def test_putting_a_blob_again_renews_its_age(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path.as_uri())
    name = blobs.put(b"picture")
    (path,) = tmp_path.glob(f"*/{name}")
    yesterday = (NOW - timedelta(days=1)).timestamp()
    os.utime(path, (yesterday, yesterday))
    assert list(blobs.older_than(NOW - timedelta(hours=2))) == [name]
    blobs.put(b"picture")
    assert list(blobs.older_than(NOW - timedelta(hours=2))) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "", "a" * 63, "A" * 64, "0" * 64 + "/x"])
def test_an_invalid_blob_name_is_not_found(blobs: Blobs, name: str) -> None:
    with pytest.raises(BlobNotFoundError):
        blobs.get(name)
    with pytest.raises(BlobNotFoundError):
        blobs.remove(name, NOW)


def test_other_files_in_the_blob_store_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "no").mkdir()
    for path in (tmp_path / "no" / "no blob", tmp_path / "catalogue.csv"):
        path.touch()
        os.utime(path, (0, 0))
    assert list(Blobs(tmp_path.as_uri()).older_than(NOW)) == []
