"""The stores away for a while: what was accepted waits for them, what is new is refused, and nothing fails for good."""

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from stack.processes import free_port
from stack.services import Stack
from tests import seaweedfs
from tests.faults.conftest import Service
from tests.faults.work import attempts, completed_once, frozen, submitted, texts, views
from tests.pictures import clouds, in_base64, jpeg
from tests.waiting import wait_for

_ISOLATED_AFTER = {"CATALOG_ISOLATE_AFTER": "1"}
_MORE_THAN_ISOLATED_AFTER = 3
"""Tries of each chunk, between which it waits longer and longer; one loss would have it computed in isolation."""


@pytest.fixture
def s3(tmp_path: Path) -> "_S3":
    return _S3(tmp_path / "s3")


class _S3:
    """An S3 server that goes and comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._running = ExitStack()

    def come(self) -> dict[str, str]:
        """Return the settings that lead to it."""
        url = self._running.enter_context(seaweedfs.running(self._folder, self._port))
        return {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": seaweedfs.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": seaweedfs.SECRET_KEY,
            "CATALOG_BLOB_URL": f"s3://{seaweedfs.BUCKET}/blobs",
            "CATALOG_LABELS_URL": f"s3://{seaweedfs.BUCKET}/labels",
        }

    def go(self) -> None:
        self._running.close()


def test_accepted_pictures_wait_for_a_store_that_is_away_and_new_ones_get_503(service: Service, s3: _S3) -> None:
    try:
        stack = service(s3.come() | _ISOLATED_AFTER)
        with views(stack) as (api, redis):
            with frozen(stack.worker):
                job = submitted(api, _pictures(20))
                s3.go()
            wait_for("health names the store", lambda: _names_the_store(api))
            _assert_new_pictures_are_refused(api)
            completed_once(api, submitted(api, texts(20)))
            wait_for(
                "its chunks were tried often",
                lambda: min(attempts(redis, job).values()) >= _MORE_THAN_ISOLATED_AFTER,
                timeout_s=120,
            )
            s3.come()
            completed_once(api, job)
            completed_once(api, submitted(api, _pictures(3, seed=100)))
            _assert_no_chunk_was_to_blame(stack)
    finally:
        s3.go()


def _pictures(count: int, seed: int = 0) -> list[dict[str, object]]:
    return [{"id": str(i), "image": {"base64": in_base64(clouds(seed + i, 64))}} for i in range(count)]


def _names_the_store(api: httpx.Client) -> bool:
    health = api.get("/health").raise_for_status().json()
    return health["status"] == "warn" and f"the store s3://{seaweedfs.BUCKET} cannot be reached" in str(
        health["warnings"]
    )


def _assert_new_pictures_are_refused(api: httpx.Client) -> None:
    picture = in_base64(jpeg("olive"))
    requests = [
        ("/v1/jobs", {"items": [{"id": "0", "image": {"base64": picture}}]}),
        ("/predict", {"image": picture}),
        ("/v1/labels", {"labels": [{"title": "Lampe", "image": {"base64": picture}, "code": 10}]}),
    ]
    for route, body in requests:
        answer = api.post(route, json=body)
        assert (route, answer.status_code) == (route, 503)
        assert answer.json()["type"].endswith("store-unavailable")
        assert int(answer.headers["Retry-After"]) > 0


def _assert_no_chunk_was_to_blame(stack: Stack) -> None:
    log = stack.worker.log.read_text()
    assert "computed in isolation" not in log
    assert "Traceback" not in log
