"""Bodies that are made to cost: whatever is sent, the API stays small and answers others meanwhile."""

import io
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from stack.services import Stack
from tests.faults.conftest import Figure, stack_in
from tests.faults.memory import forget_peak, peak_mb, resident_mb

MB = 1024**2
GROWTH_MB = 200
HELD_MB = 40
"""What an API may hold when a test begins: freed memory that stays with the process."""
LIMIT = 26 * MB
"""Just below what one item with a picture in base64 may have."""
BOUNDARY = "between-the-parts"
JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"

Body = Iterator[bytes]


class Accepting:
    """A service that accepts jobs and does none."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        stack.start_redis()
        self._start()

    def fresh(self) -> tuple[int, float]:
        """The API's process and what it takes: it is started again if it holds much of what it has taken before."""
        if resident_mb(self._pid) - self._start_mb > HELD_MB:
            self.stack.process("api").stop()
            self._start()
        return self._pid, self._start_mb

    def _start(self) -> None:
        self._pid = self.stack.start_api().pid
        httpx.post(f"{self.stack.url}{JOBS}", json={"items": [{"title": "Lampe"}]}).raise_for_status()
        self._start_mb = resident_mb(self._pid)


@dataclass(frozen=True)
class Attack:
    name: str
    path: str
    content_type: str
    body: Callable[[], Body]
    statuses: tuple[int, ...]


def _repeated(head: bytes, unit: bytes, count: int, tail: bytes = b"") -> Callable[[], Body]:
    def body() -> Body:
        yield head
        step = max(1, 256 * 1024 // len(unit))
        for start in range(0, count, step):
            yield unit * min(step, count - start)
        yield tail

    return body


def _members(count: int, prefix: bytes = b"{", tail: bytes = b"}") -> Callable[[], Body]:
    def body() -> Body:
        yield prefix
        for start in range(0, count, 10_000):
            yield b",".join(b'"m%d":1' % index for index in range(start, start + 10_000))
            yield b"," if start + 10_000 < count else tail

    return body


def _part(name: str, filename: str | None = None) -> bytes:
    told = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    return f"--{BOUNDARY}\r\nContent-Disposition: {told}\r\n\r\n".encode()


def _fields(count: int) -> Body:
    for index in range(count):
        yield _part(f"field{index}") + b"1\r\n"
    yield f"--{BOUNDARY}--\r\n".encode()


def _long_names(count: int, length: int) -> Body:
    yield from _lines(count, lambda index: _part("images", f"{index}".rjust(length, "x")) + b"1\r\n")
    yield f"--{BOUNDARY}--\r\n".encode()


def _zip(count: int) -> Body:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for index in range(count):
            archive.writestr(f"{index}.jpg", b"")
    yield _part("images", "all.zip")
    content.seek(0)
    while piece := content.read(256 * 1024):
        yield piece
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def _lines(count: int, line: Callable[[int], bytes]) -> Body:
    for start in range(0, count, 1000):
        yield b"".join(line(index) for index in range(start, min(start + 1000, count)))


def _many_wrong(index: int) -> bytes:
    members = ",".join(f'"m{number}":{{}}' for number in range(300))
    return f'{{"id":"{index}",{members}}}\n'.encode()


def _wide_texts(index: int) -> bytes:
    return json.dumps({"id": str(index), "description": "😀" * 49_000}, ensure_ascii=False).encode() + b"\n"


JOBS, LABELS = "/v1/jobs", "/v1/labels"
ATTACKS = [
    Attack("nine million empty strings", JOBS, JSON, _repeated(b'[[""', b',""', 9_000_000, b"]]"), (400,)),
    Attack("strings in strings", JOBS, JSON, _repeated(b'[{"title":[""', b',""', 8_000_000, b"]}]"), (400,)),
    Attack("a line of empty strings", JOBS, NDJSON, _repeated(b'[""', b',""', 9_000_000, b"]\n"), (400,)),
    Attack("numbers", JOBS, JSON, _repeated(b"[[1", b",1", 13_000_000, b"]]"), (400,)),
    Attack("brackets", JOBS, JSON, _repeated(b"[", b"[", LIMIT), (400, 413)),
    Attack("empty objects", JOBS, NDJSON, _repeated(b"[{}", b",{}", 9_000_000, b"]\n"), (400,)),
    Attack("many digits", JOBS, JSON, _repeated(b'[{"id":', b"1", 20_000_000, b"}]"), (400,)),
    Attack("many decimals", JOBS, JSON, _repeated(b'[{"id":0.', b"1", 20_000_000, b"}]"), (202, 422)),
    Attack("escapes", JOBS, JSON, _repeated(b'[{"title":"', b"\\ud83d\\ude00", LIMIT // 12, b'"}]'), (422,)),
    Attack("slashes", JOBS, JSON, _repeated(b'[{"image":{"base64":"', b"\\/", LIMIT // 2, b'"}}]'), (202, 422)),
    Attack("one wide letter", JOBS, JSON, _repeated('[{"title":"😀'.encode(), b"a", LIMIT, b'"}]'), (422,)),
    Attack("wide letters", JOBS, NDJSON, _repeated(b'{"title":"', "😀".encode(), LIMIT // 4, b'"}\n'), (422,)),
    Attack("a long id", JOBS, NDJSON, _repeated(b'{"id":"', b"i", LIMIT, b'","title":"a"}\n'), (422,)),
    Attack("a long name", JOBS, NDJSON, _repeated(b'{"', b"i", LIMIT, b'":1}\n'), (422,)),
    Attack("a line without end", JOBS, NDJSON, _repeated(b"{", b" ", 200 * MB), (413,)),
    Attack("an item without end", JOBS, JSON, _repeated(b'{"items":[{"title":"', b"a", 200 * MB), (413,)),
    Attack("a long option", JOBS, JSON, _repeated(b'{"webhook_url":"', b"a", LIMIT, b'"}'), (413,)),
    Attack("a long member", JOBS, JSON, _repeated(b'{"', b"a", LIMIT, b'":1}'), (413,)),
    Attack("white space", JOBS, JSON, _repeated(b"", b" ", 300 * MB), (400,)),
    Attack("blank lines", JOBS, NDJSON, _repeated(b"", b"\n", 100 * MB), (400,)),
    Attack("blank records", JOBS, CSV, _repeated(b"id,title\n", b"\n", 100 * MB), (400,)),
    Attack("a heading of cells", JOBS, CSV, _repeated(b"id", b",", LIMIT, b"\n"), (400, 413)),
    Attack("a record of cells", JOBS, CSV, _repeated(b"id,title\n1", b",", LIMIT, b"\n"), (400, 413)),
    Attack("a cell of lines", JOBS, CSV, _repeated(b'id,title\n1,"', b"\n", LIMIT, b'"\n'), (413,)),
    Attack("a cell of quotes", JOBS, CSV, _repeated(b'id,title\n1,"', b'""', LIMIT // 2, b'"\n'), (400, 413)),
    Attack("wrong items with members", JOBS, NDJSON, lambda: _lines(20_000, _many_wrong), (422,)),
    Attack("numbers as items", JOBS, NDJSON, _repeated(b"", b"1\n", 100_000), (422,)),
    Attack("long wide texts", JOBS, NDJSON, lambda: _lines(600, _wide_texts), (202,)),
    Attack("labels with pictures", LABELS, NDJSON, lambda: _labels_with_pictures(20), (201,)),
    Attack("labels with wide texts", LABELS, NDJSON, lambda: _lines(1000, _wide_texts), (413, 422)),
    Attack("a training's members", "/v1/trainings", JSON, _members(1_000_000), (400, 413, 422)),
    Attack(
        "a training's parameters", "/v1/trainings", JSON, _members(1_000_000, b'{"params":{', b"}}"), (400, 413, 422)
    ),
    Attack("a training's depth", "/v1/trainings", JSON, _repeated(b'{"params":', b"[", 100_000), (400, 413, 422)),
    Attack("a promotion's members", "/v1/models/1/promote", JSON, _members(1_000_000), (400, 413, 422)),
    Attack("fields of a form", "/predict", MULTIPART, lambda: _fields(400_000), (413, 400)),
    Attack("members of /predict", "/predict", JSON, _members(1_000_000), (400,)),
    Attack("strings of /predict", "/predict", JSON, _repeated(b'{"image":[""', b',""', 8_000_000, b"]}"), (400,)),
    Attack("parts", JOBS, MULTIPART, lambda: _long_names(500_000, 10), (413,)),
    Attack("parts with long names", JOBS, MULTIPART, lambda: _long_names(100_000, 4000), (413,)),
    Attack("headers of a part", JOBS, MULTIPART, _repeated(_part("items")[:-2], b"X-Header: 1\r\n", 1_000_000), (400,)),
    Attack("a header of a part", JOBS, MULTIPART, _repeated(_part("items")[:-2] + b"X: ", b"a", LIMIT), (400,)),
    Attack("a zip of many", JOBS, MULTIPART, lambda: _zip(400_000), (413,)),
    Attack("a zip of as many as may be", JOBS, MULTIPART, lambda: _zip(99_000), (400,)),
]


def _labels_with_pictures(count: int) -> Body:
    for index in range(count):
        picture = b"%08d" % index + b"A" * LIMIT
        yield b'{"code":10,"title":"t%d","image":{"base64":"%s"}}\n' % (index, picture)


@pytest.fixture(scope="module")
def accepting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accepting]:
    with ExitStack() as running:
        stack = running.push(stack_in(tmp_path_factory.mktemp("bodies") / "stack"))
        yield Accepting(stack)


class _Watch:
    """Asks another route over and over, and keeps the longest time that an answer took."""

    def __init__(self, stack: Stack) -> None:
        self.longest_s, self.answers = 0.0, 0
        self._url, self._stop = f"{stack.url}/health/live", threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        with httpx.Client(timeout=120) as client:
            while not self._stop.is_set():
                began = time.monotonic()
                client.get(self._url).raise_for_status()
                self.longest_s = max(self.longest_s, time.monotonic() - began)
                self.answers += 1

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_no_body_takes_much_memory_or_a_long_answer(accepting: Accepting, figure: Figure, attack: Attack) -> None:
    stack, (pid, start_mb) = accepting.stack, accepting.fresh()
    forget_peak(pid)
    with httpx.Client(base_url=stack.url, timeout=300) as api, _Watch(stack) as watch:
        answer = _sent(api, attack)
    growth_mb = peak_mb(pid) - start_mb
    figure(f"{attack.name}: the API's memory beyond that at its start", growth_mb, "MB")
    figure(f"{attack.name}: the longest answer to another request", watch.longest_s, "s")
    assert growth_mb < GROWTH_MB
    if answer is not None:
        assert answer.status_code in attack.statuses, answer.text[:500]
        assert len(answer.content) < MB


def _sent(api: httpx.Client, attack: Attack) -> httpx.Response | None:
    """The answer; none if the API closes the connection in the middle of a body that it has refused."""
    try:
        return api.post(attack.path, content=attack.body(), headers={"Content-Type": attack.content_type})
    except httpx.TransportError:
        return None
