"""An API over an empty Redis, asked by a browser on its own machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from redis import Redis

from shared.settings import Settings
from tests.http import local_client


@pytest.fixture
def api(redis_port: int, redis: Redis, tmp_path: Path) -> Iterator[TestClient]:
    url = f"redis://127.0.0.1:{redis_port}"
    settings = Settings(
        redis_url=f"{url}/0",
        broker_url=f"{url}/1",
        blob_url=tmp_path.as_uri(),
        labels_url=(tmp_path / "labels").as_uri(),
        confirm_on_disk=False,
    )
    with local_client(settings) as client:
        yield client
