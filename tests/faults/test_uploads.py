"""Uploads that meet a full disk, a killed API or themselves, and very large ones: all of a job or nothing."""

import io
import json
import os
import socket
import threading
import time
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from redis import Redis

from shared.ledger import STAGING_S
from shared.ledger.idempotency import CLAIM_S
from stack.services import Stack
from tests.faults.conftest import Figure, Service, client
from tests.faults.memory import peak_mb
from tests.folders import remove_in_use
from tests.pictures import in_base64, jpeg
from tests.redis_state import claims, job_keys, live_jobs, queue_is_empty
from tests.waiting import finished, wait_for

MB = 1024**2
LIMIT_MB = 200
ITEMS = 100_000
BOUNDARY = "between-the-parts"
NDJSON = {"Content-Type": "application/x-ndjson"}
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

Body = Iterator[bytes]


@pytest.fixture
def idle(parts: Service) -> Stack:
    """A service that accepts jobs and does none."""
    stack = parts()
    stack.start_redis()
    stack.start_api()
    return stack


# A full disk


@pytest.mark.parametrize("form", ["json", "multipart"])
def test_a_full_store_for_pictures_refuses_the_job_whole(small_disk: Path, service: Service, form: str) -> None:
    stack = service({"CATALOG_BLOB_URL": f"file://{small_disk}/blobs"})
    pictures = [os.urandom(1_200_000) for _ in range(4)]  # of which one finds room

    def upload() -> httpx.Response:
        headers = {"Idempotency-Key": "a full disk"}
        if form == "json":
            items = [{"id": str(i), "image": {"base64": in_base64(data)}} for i, data in enumerate(pictures)]
            return api.post("/v1/jobs", json={"items": items}, headers=headers)
        body = _multipart(_lines(4, image=True), [(f"{i}.jpg", [data]) for i, data in enumerate(pictures)])
        return api.post("/v1/jobs", content=body, headers={**headers, **MULTIPART})

    with client(stack) as api, Redis(port=stack.ports.redis) as redis:
        _assert_refused_for_space(upload())
        assert _traces_of_jobs(redis) == []
        text = api.post("/v1/jobs", json={"items": [{"id": "1", "title": "Lampe"}]}).raise_for_status().json()
        assert finished(api, text["url"])["state"] == "completed"
        small = [{"id": "1", "image": {"base64": in_base64(jpeg())}}]
        picture = api.post("/v1/jobs", json={"items": small}).raise_for_status().json()
        assert finished(api, picture["url"])["state"] == "completed"

        (small_disk / "filler").unlink()
        accepted = upload()
        assert accepted.status_code == 202
        assert "Idempotency-Replayed" not in accepted.headers
        ended = finished(api, accepted.json()["url"])
        assert ended["counts"]["failed"] == 4  # random bytes are no pictures
        assert upload().headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("what", ["zip", "table"])
def test_a_full_disk_for_the_parts_of_an_upload_refuses_the_job_whole(
    small_disk: Path, parts: Service, tmp_path: Path, what: str
) -> None:
    stack = parts()
    stack.start_redis()
    stack.start_api({"TMPDIR": str(small_disk)})

    def body() -> Body:
        if what == "table":
            return _multipart(_lines(20_000), [])
        return _multipart(_lines(1, image=True), [("all.zip", _file(_zip(tmp_path / "all.zip", 4, MB)))])

    with client(stack) as api, Redis(port=stack.ports.redis) as redis:
        _assert_refused_for_space(api.post("/v1/jobs", content=body(), headers=MULTIPART))
        assert _traces_of_jobs(redis) == []
        api.post("/v1/jobs", content=_multipart(_lines(10), []), headers=MULTIPART).raise_for_status()
        (small_disk / "filler").unlink()
        api.post("/v1/jobs", content=body(), headers=MULTIPART).raise_for_status()


def _assert_refused_for_space(answer: httpx.Response) -> None:
    assert answer.status_code == 507
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"].endswith(":insufficient-storage")


# What is refused, and what is cut off


@pytest.mark.parametrize("wrong", ["item", "picture", "no table"])
def test_a_refused_upload_leaves_nothing_on_disk(idle: Stack, wrong: str) -> None:
    """A zip of 300 kB that unpacks to 300 MB."""
    packed = _deflated(30, 10 * MB)
    table = _lines(1, image=True) if wrong == "picture" else iter([b'{"id": "1", "title": " "}\n'])
    pictures = [("all.zip", [packed]), *([("0.jpg", [b"again"])] if wrong == "picture" else [])]
    body = b"".join(_multipart(table, pictures))
    if wrong == "no table":
        body = body.replace(b'name="items"', b'name="images"')
    with client(idle) as api:
        answer = api.post("/v1/jobs", content=body, headers=MULTIPART)
    assert answer.status_code in (400, 422), answer.text
    assert _on_disk(idle) == 0
    assert _blobs(idle) == []


def test_an_upload_that_is_cut_off_leaves_nothing_on_disk(idle: Stack) -> None:
    body = b"".join(_multipart(_lines(1, image=True), [("all.zip", [_deflated(30, 10 * MB)]), ("b.jpg", [b"x" * 99])]))
    headers = {"Host": "127.0.0.1", "Content-Length": str(len(body)), **MULTIPART}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", idle.ports.api)) as going:
        going.sendall(f"POST /v1/jobs HTTP/1.1\r\n{head}\r\n".encode() + body[:-50])
        wait_for("the zip has been unpacked", lambda: _on_disk(idle) >= 300 * MB, timeout_s=60)
    wait_for("nothing is left of it", lambda: _on_disk(idle) == 0)
    assert _blobs(idle) == []


def _on_disk(stack: Stack) -> int:
    """Bytes of the API's files without a name."""
    folder, size = Path(f"/proc/{stack.process('api').pid}/fd"), 0
    for descriptor in folder.iterdir():
        with suppress(FileNotFoundError):
            size += descriptor.stat().st_size if str(descriptor.readlink()).endswith(" (deleted)") else 0
    return size


def _blobs(stack: Stack) -> list[Path]:
    return [path for path in (stack.state / "blobs").rglob("*") if path.is_file()]


def _deflated(count: int, size: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(count):
            archive.writestr(f"{index}.jpg", bytes([index]) * size)
    return content.getvalue()


# An API that is killed, and a key that is in use


def test_an_api_killed_during_an_upload_leaves_no_half_job(parts: Service, figure: Figure) -> None:
    stack = parts()
    stack.start_redis()
    api_process = stack.start_api()
    headers = {**NDJSON, "Idempotency-Key": "killed in between"}
    with _Upload(stack, headers) as upload, Redis(port=stack.ports.redis) as redis, client(stack) as api:
        staged = wait_for("a chunk is staged", lambda: job_keys(redis))
        api_process.kill()
        with pytest.raises(httpx.TransportError):
            upload.finish()
        killed = time.monotonic()
        stack.start_api()
        assert _traces_of_jobs(redis) == staged
        assert all(0 < redis.ttl(key) <= STAGING_S for key in staged), "Redis discards it within a minute"

        def retried() -> httpx.Response | None:
            answer = api.post("/v1/jobs", content=_lines(2000), headers=headers)
            if answer.status_code == 409:
                assert 1 <= int(answer.headers["Retry-After"]) <= CLAIM_S
                return None
            return answer

        accepted = wait_for("the retry is accepted", retried, timeout_s=CLAIM_S + 2)
        figure("API killed during an upload: until the retry is accepted", time.monotonic() - killed, "s")
        assert accepted.status_code == 202
        assert accepted.json()["counts"]["total"] == 2000
        assert "Idempotency-Replayed" not in accepted.headers
        again = api.post("/v1/jobs", content=_lines(2000), headers=headers)
        assert (again.status_code, again.content) == (202, accepted.content)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert live_jobs(redis) == {accepted.json()["id"].encode()}


def test_upload_of_any_length_keeps_what_it_has_staged(idle: Stack) -> None:
    with _Upload(idle, NDJSON) as upload, Redis(port=idle.ports.redis) as redis:
        (staged,) = wait_for("a chunk is staged", lambda: job_keys(redis))
        redis.expire(staged, STAGING_S // 2)
        wait_for("it is renewed", lambda: redis.ttl(staged) > STAGING_S // 2)
        accepted = upload.finish()
        assert accepted.status_code == 202
        assert redis.ttl(staged) == -1, "what belongs to a job waits as long as the job"


def test_interrupted_upload_leaves_nothing_and_can_be_repeated(idle: Stack) -> None:
    key = {"Idempotency-Key": "gone in between"}
    headers = {"Host": "127.0.0.1", "Content-Length": "10000000", **NDJSON, **key}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with Redis(port=idle.ports.redis) as redis, client(idle) as api:
        with socket.create_connection(("127.0.0.1", idle.ports.api)) as going:
            going.sendall(f"POST /v1/jobs HTTP/1.1\r\n{head}\r\n".encode())
            going.sendall(b"".join(_lines(1000)))
            wait_for("a chunk is staged", lambda: job_keys(redis))
        wait_for("nothing is left of it", lambda: not _traces_of_jobs(redis))
        wait_for("the key is free", lambda: not claims(redis), timeout_s=CLAIM_S / 2)
        assert api.post("/v1/jobs", content=_lines(1000), headers={**NDJSON, **key}).status_code == 202
    assert "Traceback" not in (idle.state / "api.log").read_text()


def test_idempotency_key_is_locked_until_its_request_is_answered(idle: Stack) -> None:
    headers = {**NDJSON, "Idempotency-Key": "one at a time"}
    with _Upload(idle, headers) as upload, Redis(port=idle.ports.redis) as redis, client(idle) as api:
        (claim,) = wait_for("the key is claimed", lambda: claims(redis))
        before = redis.pttl(claim)

        def renewed() -> bool:
            nonlocal before
            left, earlier = redis.pttl(claim), before
            before = left
            return bool(left > earlier)

        for _ in range(2):
            wait_for("the claim is renewed while the body is on its way", renewed)
            second = api.post("/v1/jobs", content=_lines(2000), headers=headers)
            assert second.status_code == 409
            assert 1 <= int(second.headers["Retry-After"]) <= CLAIM_S
            assert second.json()["type"].endswith(":idempotency-key-in-use")
        first = upload.finish()
        assert first.status_code == 202
        again = api.post("/v1/jobs", content=_lines(2000), headers=headers)
        assert (again.status_code, again.content) == (202, first.content)
        assert again.headers["Idempotency-Replayed"] == "true"
        other = api.post("/v1/jobs", content=_lines(1999), headers=headers)
        assert other.status_code == 422
        assert other.json()["type"].endswith(":idempotency-key-reused")
        assert len(live_jobs(redis)) == 1


class _Upload:
    """2,000 items of which half arrive; `finish` sends the others and returns the answer."""

    def __init__(self, stack: Stack, headers: dict[str, str]) -> None:
        self._half, self._go = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._answer = self._pool.submit(httpx.post, f"{stack.url}/v1/jobs", content=self._body(), headers=headers)

    def _body(self) -> Body:
        lines = list(_lines(2000))
        yield from lines[:1000]
        self._half.set()
        self._go.wait()
        yield from lines[1000:]

    def finish(self) -> httpx.Response:
        self._go.set()
        return self._answer.result(timeout=60)

    def __enter__(self) -> "_Upload":
        assert self._half.wait(timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        self._go.set()
        self._pool.shutdown()


# Very large ones


@pytest.mark.parametrize("form", ["ndjson", "json", "csv"])
def test_a_hundred_thousand_texts_fit_into_a_small_api(idle: Stack, figure: Figure, form: str) -> None:
    body, kind = {
        "ndjson": (_lines, "application/x-ndjson"),
        "json": (_json, "application/json"),
        "csv": (_csv, "text/csv"),
    }[form]
    answer = _measured(idle, figure, f"100,000 texts as {form}", body(ITEMS), {"Content-Type": kind})
    assert answer.status_code == 202
    assert answer.json()["counts"]["total"] == ITEMS


def test_a_gigabyte_of_pictures_fits_into_a_small_api(idle: Stack, figure: Figure) -> None:
    count, size = 500, 2 * MB
    pictures = ((f"{index}.jpg", [os.urandom(size)]) for index in range(count))
    body = _multipart(_lines(count, image=True), pictures)
    try:
        answer = _measured(idle, figure, "500 pictures of 2 MB", body, MULTIPART)
        assert answer.status_code == 202
        assert answer.json()["counts"]["total"] == count
    finally:
        remove_in_use(idle.state / "blobs")


def test_a_large_zip_of_pictures_fits_into_a_small_api(idle: Stack, figure: Figure, tmp_path: Path) -> None:
    count = 100
    packed = _zip(tmp_path / "all.zip", count, 2 * MB)
    try:
        body = _multipart(_lines(count, image=True), [("all.zip", _file(packed))])
        answer = _measured(idle, figure, "a zip of 100 pictures of 2 MB", body, MULTIPART)
        assert answer.status_code == 202
        assert answer.json()["counts"]["total"] == count
    finally:
        packed.unlink()
        remove_in_use(idle.state / "blobs")


def test_of_a_hundred_thousand_wrong_items_the_first_are_named_and_the_rest_counted(
    idle: Stack, figure: Figure
) -> None:
    answer = _measured(idle, figure, "100,000 wrong items, refused", _wrong(ITEMS), NDJSON)
    assert answer.status_code == 422
    problem = answer.json()
    assert [error["index"] for error in problem["errors"]] == list(range(1000))
    assert problem["errors"][-1]["line"] == 1000
    assert problem["errors"][-1]["id"] == "sku-999"
    assert problem["not_listed"] == 99_000
    assert "100,000 of 100,000 items are invalid" in problem["detail"]
    assert "99,000 more" in problem["detail"]
    with Redis(port=idle.ports.redis) as redis:
        assert _traces_of_jobs(redis) == []


def test_a_hundred_thousand_wrong_items_may_be_skipped(idle: Stack, figure: Figure) -> None:
    def body() -> Body:
        yield from _wrong(ITEMS - 1)
        yield b'{"id": "right", "title": "Lampe"}\n'

    path = "/v1/jobs?on_invalid=skip"
    answer = _measured(idle, figure, "99,999 wrong items, skipped", body(), NDJSON, path)
    assert answer.status_code == 202
    counts = answer.json()["counts"]
    assert (counts["total"], counts["invalid"], counts["pending"]) == (ITEMS, ITEMS - 1, 1)


@pytest.mark.parametrize("wrong", ["name of a member", "name of a file"])
def test_report_of_wrong_items_stays_short(idle: Stack, figure: Figure, wrong: str) -> None:
    """However long what is wrong with them is."""

    def body() -> Body:
        for index in range(300):
            long = f"{index}" + "x" * MB
            item = {"title": "Lampe", long: 1} if wrong == "name of a member" else {"image": {"file": long}}
            yield json.dumps(item).encode() + b"\n"

    answer = _measured(idle, figure, f"300 items with a {wrong} of 1 MB", body(), NDJSON)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 300
    assert len(answer.content) < MB


def _measured(
    stack: Stack, figure: Figure, what: str, body: Body, headers: dict[str, str], path: str = "/v1/jobs"
) -> httpx.Response:
    pid = stack.process("api").pid
    with httpx.Client(base_url=stack.url, timeout=300) as api:
        began = time.monotonic()
        answer = api.post(path, content=body, headers=headers)
        figure(f"{what}: accepted or refused after", time.monotonic() - began, "s")
    peak = peak_mb(pid)
    figure(f"{what}: the API's peak memory", peak, "MB")
    assert peak < LIMIT_MB
    return answer


def _traces_of_jobs(redis: Redis) -> list[bytes]:
    """Keys of jobs that have not ended, or are merely staged; nothing else may say that there is a job."""
    assert queue_is_empty(redis)
    return job_keys(redis)


# Bodies, made while they are sent

_WORDS = "Piscine gonflable ronde pour enfants, résistante, facile à monter et à ranger. " * 4


def _lines(count: int, *, image: bool = False) -> Body:
    for index in range(count):
        more = {"image": {"file": f"{index}.jpg"}} if image else {"description": _WORDS}
        yield json.dumps({"id": f"sku-{index}", "title": f"Piscine {index}", **more}).encode() + b"\n"


def _json(count: int) -> Body:
    yield b'{"items": ['
    for index, line in enumerate(_lines(count)):
        yield b"," * bool(index) + line
    yield b"]}"


def _csv(count: int) -> Body:
    yield b"id,title,description\n"
    for index in range(count):
        yield f'sku-{index},Piscine {index},"{_WORDS}"\n'.encode()


def _wrong(count: int) -> Body:
    """Without anything to classify."""
    return (json.dumps({"id": f"sku-{index}", "title": " "}).encode() + b"\n" for index in range(count))


def _multipart(table: Body, files: Iterable[tuple[str, Iterable[bytes]]]) -> Body:
    def part(name: str, filename: str) -> bytes:
        told = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
        return f"\r\n--{BOUNDARY}\r\n{told}\r\n\r\n".encode()

    yield part("items", "items.ndjson").lstrip()
    yield from table
    for filename, content in files:
        yield part("images", filename)
        yield from content
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def _file(path: Path) -> Body:
    with path.open("rb") as file:
        while piece := file.read(MB):
            yield piece


def _zip(path: Path, count: int, size: int) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(count):
            archive.writestr(f"{index}.jpg", os.urandom(size))
    return path
