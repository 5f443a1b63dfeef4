"""Large files of results: written once for all who ask, by threads of their own, and refused past a queue."""

import asyncio
import gc
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from redis import Redis

from api.app import create_app
from api.jobs.exports import ExportFile, Exports
from shared.ledger import Ledger
from shared.settings import Settings
from tests.http import client_of
from tests.jobs import leased, opened, outcomes_of
from tests.waiting import wait_for

RESULTS = 2000


@pytest.fixture
def app(redis_port: int, redis: Redis, tmp_path: Path) -> FastAPI:
    url = f"redis://127.0.0.1:{redis_port}"
    return create_app(
        Settings(redis_url=f"{url}/0", broker_url=f"{url}/1", blob_url=tmp_path.as_uri(), confirm_on_disk=False)
    )


@pytest.fixture
def api(app: FastAPI) -> Iterator[httpx.Client]:
    with client_of(app) as client:
        yield client


@pytest.fixture
def job(ledger: Ledger) -> str:
    """With more results than are rendered at once."""
    identifier = opened(ledger, [250] * (RESULTS // 250))
    for _ in range(RESULTS // 250):
        lease = leased(ledger)
        ledger.commit(lease, "v1", outcomes_of(lease, failing=1))
    return identifier


def _exports(app: FastAPI) -> Exports:
    (exports,) = (made for made in app.state.stores.services.values() if isinstance(made, Exports))
    return exports


class _Held:
    """Files whose writing does not end before `go` is set."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = 0

    def parts(self) -> Iterator[bytes]:
        self.begun += 1
        yield b"first, "
        assert self.go.wait(60)
        yield b"last"


def test_an_export_is_complete_in_each_format(api: httpx.Client, job: str) -> None:
    path = f"/v1/jobs/{job}/results"
    table = api.get(path, params={"format": "parquet"})
    assert int(table.headers["Content-Length"]) == len(table.content)
    assert pq.read_table(io.BytesIO(table.content)).num_rows == RESULTS
    for output, lines in (("ndjson", RESULTS), ("csv", RESULTS + 1), ("csv-raw", RESULTS + 1)):
        assert len(api.get(path, params={"format": output}).text.splitlines()) == lines
    failed = api.get(path, params={"format": "ndjson", "status": "failed"})
    assert len(failed.text.splitlines()) == RESULTS // 250


def test_an_export_of_a_running_job_grows_with_it(api: httpx.Client, ledger: Ledger) -> None:
    path, query = f"/v1/jobs/{opened(ledger, [1000, 1000])}/results", {"format": "ndjson"}
    for done in (1000, 2000):
        lease = leased(ledger)
        ledger.commit(lease, "v1", outcomes_of(lease))
        assert len(api.get(path, params=query).text.splitlines()) == done


def test_a_wrong_cursor_is_named_before_a_file_begins(api: httpx.Client, job: str) -> None:
    answer = api.get(f"/v1/jobs/{job}/results", params={"format": "csv", "cursor": "?"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_sixty_requests_for_one_file_have_it_written_once(
    app: FastAPI, api: httpx.Client, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    whole = ExportFile.__init__

    def counted(file: ExportFile, *arguments: object) -> None:
        written.append(file)
        whole(file, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ExportFile, "__init__", counted)
    with ThreadPoolExecutor(20) as callers:
        answers = list(
            callers.map(lambda _: api.get(f"/v1/jobs/{job}/results", params={"format": "parquet"}), range(60))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(written) == 1


def test_exports_past_the_queue_are_refused_and_hold_nobody_else(app: FastAPI, api: httpx.Client, job: str) -> None:
    held, path = _Held(), f"/v1/jobs/{job}/results"
    with ThreadPoolExecutor(10) as others:
        exports = _exports(app)
        portal = api.portal  # type: ignore[attr-defined]  # the TestClient's: where its event loop is reached
        try:
            waiting = [others.submit(portal.call, exports.file, number, held.parts) for number in range(10)]
            wait_for("the writers are busy", lambda: held.begun == 2 and len(exports._exports) == 10)
            refused = api.get(path, params={"format": "parquet"})
            assert refused.status_code == 503
            assert refused.json()["type"].endswith(":exports-busy")
            assert int(refused.headers["Retry-After"]) >= 1
            assert api.get(path).status_code == 200
            assert held.begun == 2
        finally:
            held.go.set()
        assert {b"".join(file.result().parts()) for file in waiting} == {b"first, last"}
    assert api.get(path, params={"format": "parquet"}).status_code == 200


def test_a_caller_who_leaves_takes_the_file_from_nobody() -> None:
    async def callers() -> bytes:
        exports, held = Exports(), _Held()
        leaving = asyncio.create_task(exports.file("a", held.parts))
        staying = asyncio.create_task(exports.file("a", held.parts))
        while not held.begun:
            await asyncio.sleep(0.01)
        leaving.cancel()
        held.go.set()
        file = await staying
        assert held.begun == 1
        exports.close()
        return b"".join(file.parts())

    assert asyncio.run(callers()) == b"first, last"


def test_a_file_that_cannot_be_written_is_tried_again() -> None:
    def broken() -> Iterator[bytes]:
        yield b"begun"
        raise OSError("no space")

    async def callers() -> None:
        exports = Exports()
        with pytest.raises(OSError, match="no space"):
            await exports.file("a", broken)
        file = await exports.file("a", lambda: [b"now"])
        assert b"".join(file.parts()) == b"now"
        exports.close()

    asyncio.run(callers())


def test_files_are_kept_within_a_bound_and_leave_no_descriptor() -> None:
    def descriptors() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    async def callers() -> int:
        exports = Exports()
        for number in range(200):
            await exports.file(number, lambda: [b"x"])
        kept = len(exports._exports)
        exports.close()
        return kept

    before = descriptors()
    assert asyncio.run(callers()) <= 65
    assert descriptors() <= before
