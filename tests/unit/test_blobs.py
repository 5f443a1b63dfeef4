"""The pictures' store, on a folder and on a file system that is none."""

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from shared.blobs import BlobNotFoundError, Blobs

NOW = datetime.now(UTC)


@pytest.fixture(params=["file", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return Blobs(tmp_path.as_uri() if request.param == "file" else f"memory://{tmp_path.name}")


def test_what_is_put_is_found_under_its_hash(blobs: Blobs) -> None:
    name = blobs.put(b"picture")
    assert name == sha256(b"picture").hexdigest() == blobs.put(b"picture")
    assert blobs.get(name) == b"picture"
    with pytest.raises(BlobNotFoundError):
        blobs.get("0" * 64)


def test_what_is_old_is_told_apart_and_removed(blobs: Blobs) -> None:
    name = blobs.put(b"picture")
    assert list(blobs.older_than(NOW - timedelta(hours=1))) == []
    later = NOW + timedelta(hours=1)
    assert list(blobs.older_than(later)) == [name]
    assert not blobs.remove(name, older_than=NOW - timedelta(hours=1))
    assert blobs.remove(name, older_than=later)
    assert not blobs.remove(name, older_than=later)
    assert list(blobs.older_than(later)) == []


def test_an_empty_store_has_nothing_old(tmp_path: Path) -> None:
    assert list(Blobs((tmp_path / "never").as_uri()).older_than(NOW)) == []


def test_a_picture_that_is_put_again_is_young_again(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path.as_uri())
    name = blobs.put(b"picture")
    (path,) = tmp_path.glob(f"*/{name}")
    yesterday = (NOW - timedelta(days=1)).timestamp()
    os.utime(path, (yesterday, yesterday))
    assert list(blobs.older_than(NOW - timedelta(hours=2))) == [name]
    blobs.put(b"picture")
    assert list(blobs.older_than(NOW - timedelta(hours=2))) == []
