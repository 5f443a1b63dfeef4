"""A store's files: one that is missing is told from a store that is."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from shared.stores.blobs import BlobNotFoundError, Blobs
from shared.stores.files import Files, StoreUnavailableError
from shared.stores.labels import LabelStore
from stack.processes import free_port

MISSING = "0" * 64


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a store on an S3 server that does not run."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anyone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-this-test-alone")
    opened = fsspec.get_filesystem_class("s3")
    opened.clear_instance_cache()
    yield "s3://bucket/folder"
    opened.clear_instance_cache()


def test_each_step_on_a_store_that_is_away_is_an_os_error_that_names_it(away: str) -> None:
    blobs, labels = Blobs(away), LabelStore(away)
    steps = [
        lambda: blobs.put(b"picture"),
        lambda: blobs.get(MISSING),
        lambda: labels.put_picture(b"picture"),
        lambda: labels.append(LabelStore.name(0, "0" * 24), []),
        labels.names,
    ]
    for step in steps:
        with pytest.raises(StoreUnavailableError, match="the store s3://bucket cannot be reached"):
            step()


def test_disk_that_is_gone_is_not_a_missing_picture(tmp_path: Path) -> None:
    blobs = Blobs((tmp_path / "mounted").as_uri())
    blobs.put(b"picture")
    with pytest.raises(BlobNotFoundError):
        blobs.get(MISSING)
    shutil.rmtree(tmp_path / "mounted")
    with pytest.raises(StoreUnavailableError, match="mounted cannot be reached: it does not exist"):
        blobs.get(MISSING)


def test_a_new_store_is_empty(tmp_path: Path) -> None:
    files = Files(str(tmp_path / "new"))
    assert files.names(files.root) == []
    assert list(files.below(files.root)) == []
