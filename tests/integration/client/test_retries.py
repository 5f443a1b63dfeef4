"""What the client does when proxies, networks and other programs answer in the service's place."""

import asyncio
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from catalog_client import (
    AnswerTooLargeError,
    AsyncCatalog,
    Catalog,
    CatalogError,
    ConfigurationError,
    ProblemError,
    ServiceUnreachableError,
    UnexpectedAnswerError,
)
from stack.processes import free_port
from stack.services import Stack
from tests.integration.client.unreliable import Fault, Unreliable

ITEMS = [{"id": "a", "title": "Console de jeux"}, {"id": "b", "title": "Poupée en bois"}]
LOST = Fault(passed_on=True)
"""The service gets the request, and its answer is lost."""
QUICK: dict[str, Any] = {"longest_wait_s": 0.05}
KEY = "cat_0123_secret"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(),
        LOST,
        Fault(cut=20),
        Fault(429, {"Retry-After": "1"}),
        Fault(502),
        Fault(503),
        Fault(504, {"Content-Type": "text/html"}, b"<html>timeout</html>"),
        Fault(503, {"Retry-After": "soon"}),
        Fault(503, {"Retry-After": formatdate(time.time() + 3600, usegmt=True)}, b"<html>away</html>"),
    ],
)
def test_a_job_is_sent_again_and_accepted_once(stack: Stack, fault: Fault) -> None:
    def one_shot() -> Iterator[dict[str, str]]:
        yield from ITEMS

    with Unreliable(stack.url, fault, fault) as server, Catalog(server.url, **QUICK) as catalog:
        job = catalog.submit(one_shot())
        assert job.counts.total == len(ITEMS)
        keys = {headers["idempotency-key"] for _, _, headers in server.requests}
        assert (len(server.requests), len(keys)) == (3, 1)
        assert catalog.submit(ITEMS, idempotency_key=keys.pop()) == job


def test_the_asynchronous_client_sends_again_too(stack: Stack) -> None:
    async def run(url: str) -> None:
        async def one_shot() -> Any:
            for item in ITEMS:
                yield item

        async with AsyncCatalog(url, **QUICK) as catalog:
            job = await catalog.submit(one_shot())
            ended = await catalog.wait(job, timeout_s=120)
            assert ended.counts.succeeded == len(ITEMS)
            assert len([result async for result in catalog.results(job)]) == len(ITEMS)

    faults = (LOST, Fault(503), Fault(), Fault(429))
    with Unreliable(stack.url, *faults) as server:
        asyncio.run(run(server.url))
        assert not server.faults


def test_a_wait_outlives_what_happens_meanwhile(stack: Stack) -> None:
    with Catalog(stack.url) as direct:
        job = direct.submit(ITEMS)
    with Unreliable(stack.url, Fault(503), Fault(), LOST) as server, Catalog(server.url, **QUICK) as catalog:
        assert catalog.wait(job, timeout_s=120).ended
        assert not server.faults


HOTEL = Fault(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Welcome to the hotel</html>")
ELSEWHERE = Fault(302, {"Location": "https://login.example/"})


@pytest.mark.parametrize(
    "fault",
    [Fault(), LOST, Fault(500), Fault(502), Fault(504), HOTEL, ELSEWHERE, Fault(403, body=b"<html>proxy</html>")],
)
def test_a_wait_outlives_an_outage_that_is_longer_than_the_tries(stack: Stack, fault: Fault) -> None:
    told: list[CatalogError] = []
    with Catalog(stack.url) as direct:
        job = direct.submit(ITEMS)
    with Unreliable(stack.url, *[fault] * 12) as server, Catalog(server.url, tries=2, **QUICK) as catalog:
        assert catalog.wait(job, timeout_s=120, trouble=told.append).ended
        assert not server.faults
    assert told

    async def wait(url: str) -> None:
        async with AsyncCatalog(url, tries=2, **QUICK) as catalog:
            assert (await catalog.wait(job, timeout_s=120)).ended

    with Unreliable(stack.url, *[fault] * 12) as server:
        asyncio.run(wait(server.url))
        assert not server.faults


def test_an_outage_ends_a_wait_at_last(stack: Stack) -> None:
    with Catalog(stack.url) as direct:
        job = direct.submit(ITEMS)
    with (
        Unreliable(stack.url, *[HOTEL] * 1000) as server,
        Catalog(server.url, outage_s=0.2, **QUICK) as catalog,
        pytest.raises(UnexpectedAnswerError, match="Welcome to the hotel"),
    ):
        catalog.wait(job)
    with (
        Unreliable(stack.url, *[Fault(503)] * 1000) as server,
        Catalog(server.url, **QUICK) as catalog,
        pytest.raises(ProblemError, match="not now"),
    ):
        catalog.wait(job, timeout_s=0.2)


@pytest.mark.parametrize(
    "fault", [Fault(404, body=b'{"detail": "gone"}'), Fault(401, body=b'{"detail": "no"}'), Fault(200, body=b"[1]")]
)
def test_what_will_not_pass_ends_a_wait_at_once(stack: Stack, fault: Fault) -> None:
    with Catalog(stack.url) as direct:
        job = direct.submit(ITEMS)
    with Unreliable(stack.url, fault) as server, Catalog(server.url, **QUICK) as catalog:
        awaited: Any = job.id if fault.status == 200 else job  # an id: nothing has answered for it yet
        with pytest.raises(CatalogError):
            catalog.wait(awaited)
        assert len(server.requests) == 1


def test_a_page_in_the_place_of_results_is_not_taken_for_them(stack: Stack, tmp_path: Path) -> None:
    with Catalog(stack.url) as direct:
        job = direct.wait(direct.submit(ITEMS))
    with Unreliable(stack.url, HOTEL, Fault(502), HOTEL) as server, Catalog(server.url, **QUICK) as catalog:
        assert len(list(catalog.results(job))) == len(ITEMS)
        catalog.download(job, tmp_path / "first.csv")
    with Unreliable(stack.url, *[HOTEL] * 9) as server, Catalog(server.url, tries=2, **QUICK) as catalog:
        with pytest.raises(UnexpectedAnswerError, match="web page"):
            list(catalog.results(job))
        with pytest.raises(UnexpectedAnswerError, match="web page"):
            catalog.download(job, tmp_path / "results.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["first.csv"]


def test_a_file_that_breaks_off_is_read_anew(stack: Stack, tmp_path: Path) -> None:
    with Catalog(stack.url) as direct:
        job = direct.wait(direct.submit({"title": f"Livre {number}"} for number in range(200)), timeout_s=120)
        direct.download(job, tmp_path / "direct.csv")
    with Unreliable(stack.url, Fault(cut=3_000), Fault(cut=100)) as server, Catalog(server.url, **QUICK) as catalog:
        catalog.download(job, tmp_path / "broken.csv")
        assert len(server.requests) == 3
    with Unreliable(stack.url, Fault(cut=3_000)) as server:

        async def download() -> None:
            async with AsyncCatalog(server.url, **QUICK) as catalog:
                await catalog.download(job, tmp_path / "asynchronous.csv")

        asyncio.run(download())
    contents = {path.read_bytes() for path in tmp_path.iterdir()}
    assert (len(contents), len([*tmp_path.iterdir()])) == (1, 3)


def test_a_stream_of_results_is_taken_up_where_it_broke_off(stack: Stack) -> None:
    with Catalog(stack.url) as direct:
        job = direct.submit({"id": str(number), "title": f"Livre {number}"} for number in range(200))
        direct.wait(job, timeout_s=120)
        expected = list(direct.results(job))
    with (
        Unreliable(stack.url, Fault(503), Fault(cut=30_000), Fault(cut=60_000)) as server,
        Catalog(server.url, **QUICK) as catalog,
    ):
        assert list(catalog.results(job)) == expected
        assert len(server.requests) == 4


def test_what_must_not_happen_twice_is_sent_once(stack: Stack) -> None:
    with Unreliable(stack.url, Fault()) as server, Catalog(server.url, **QUICK) as catalog:
        with pytest.raises(ServiceUnreachableError, match="cannot be reached"):
            catalog.rollback()
        assert len(server.requests) == 1


def test_tries_come_to_an_end(stack: Stack) -> None:
    always = [Fault(503)] * 9
    with Unreliable(stack.url, *always) as server, Catalog(server.url, tries=3, **QUICK) as catalog:
        with pytest.raises(ProblemError, match="not now") as busy:
            catalog.submit(ITEMS)
        assert (busy.value.status, len(server.requests)) == (503, 3)
    with (
        Catalog(f"http://127.0.0.1:{free_port()}", tries=2, **QUICK) as nowhere,
        pytest.raises(ServiceUnreachableError, match="cannot be reached"),
    ):
        nowhere.submit(ITEMS)


def test_retry_after_is_honoured(stack: Stack) -> None:
    with Unreliable(stack.url, Fault(429, {"Retry-After": "1"})) as server, Catalog(server.url) as catalog:
        before = time.monotonic()
        catalog.submit(ITEMS)
        assert 1 <= time.monotonic() - before < 20


def test_retry_after_is_honoured_for_a_file_of_results(stack: Stack) -> None:
    with Catalog(stack.url) as direct:
        job = direct.wait(direct.submit(ITEMS))
    with Unreliable(stack.url, Fault(503, {"Retry-After": "1"})) as server, Catalog(server.url) as catalog:
        before = time.monotonic()
        assert len(list(catalog.results(job))) == len(ITEMS)
        assert time.monotonic() - before >= 1
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(200, body=b"<html>Welcome to the hotel</html>"), "not the service: .*Welcome to the hotel"),
        (Fault(200, body=b"[1]"), "in the place of a Job"),
        (Fault(200, body=b'{"id": "a"}'), "the answer has no 'state'"),
        (Fault(200, {"Content-Encoding": "gzip"}, b"not gzip"), "cannot be decoded"),
        (Fault(404, body=b"<html>nginx</html>"), "answered 404 .*nginx"),
        (Fault(301, {"Location": "https://catalog.example/v1/jobs"}), "redirects to https://catalog.example/v1/jobs"),
    ],
)
def test_another_program_is_not_taken_for_the_service(stack: Stack, fault: Fault, message: str) -> None:
    with (
        Unreliable(stack.url, fault) as server,
        Catalog(server.url) as catalog,
        pytest.raises(UnexpectedAnswerError, match=message),
    ):
        catalog.job("a")


def test_an_answer_is_read_up_to_a_size(stack: Stack) -> None:
    with Unreliable(stack.url, Fault(200, body=b" " * 10_000)) as server:
        with Catalog(server.url, max_answer_bytes=9_999) as catalog, pytest.raises(AnswerTooLargeError):
            catalog.job("a")
        server.faults.append(Fault(200, body=b" " * 10_000))
        with Catalog(server.url, max_answer_bytes=9_999) as catalog, pytest.raises(AnswerTooLargeError):
            list(catalog.results("a"))


def test_a_newer_service_may_say_more(stack: Stack) -> None:
    document = (
        b'{"id": "a", "state": "paused", "counts": {"total": 2, "new": 1}, "model_versions": {"v1": 2}, "new": 3}'
    )
    with Unreliable(stack.url, Fault(200, body=document)) as server, Catalog(server.url) as catalog:
        job = catalog.job("a")
    assert (job.state, job.counts.total, job.document["new"]) == ("paused", 2, 3)
    assert job.bundles == {"v1": 2}  # as services before this release called it


@pytest.mark.parametrize("client", [Catalog, AsyncCatalog])
@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("localhost:5000", None, "begin it with http://"),
        ("http://[::1", None, "malformed"),
        ("", None, "begin it with http://"),
        ("http://127.0.0.1:5000", "cat_1\ncat_2", "the API key is malformed"),
        ("http://127.0.0.1:5000", "clé", "the API key is malformed"),
    ],
)
def test_what_cannot_work_is_said_at_once(client: Any, url: str, key: str | None, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        client(url, key)
    assert key is None or key not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ALL_PROXY", "socks5://127.0.0.1:1"), ("SSL_CERT_FILE", "/nowhere/cert.pem")],
)
def test_an_unusable_environment_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        Catalog("https://catalog.example")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("HTTP_PROXY", "proxy.example:3128"),
        ("SSL_CERT_FILE", "/nowhere/cert.pem"),
        ("NO_PROXY", "::1, [::1]:80"),
    ],
)
def test_the_loopback_interface_is_reached_without_what_the_environment_names(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    for url in (stack.url, stack.url.replace("127.0.0.1", "localhost")):
        with Catalog(url, tries=1) as catalog:
            assert catalog.submit(ITEMS).counts.total == len(ITEMS)

    async def submit() -> int:
        async with AsyncCatalog(stack.url, tries=1) as catalog:
            return (await catalog.submit(ITEMS)).counts.total

    assert asyncio.run(submit()) == len(ITEMS)


def test_no_credential_is_shown(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with Unreliable(stack.url, Fault(401, body=b"{}")) as server:
        url = server.url.replace("http://", "http://user:password@")
        with Catalog(url, f" {KEY}\n") as catalog:
            with pytest.raises(UnexpectedAnswerError) as refused:
                catalog.job("a")
            shown = f"{catalog!r} {refused.value!r} {refused.value} {vars(catalog)} {caplog.text}"
        headers = server.requests[0][2]
    assert headers["authorization"].startswith(("Basic ", "Bearer "))
    assert "password" not in shown
    assert KEY not in shown
