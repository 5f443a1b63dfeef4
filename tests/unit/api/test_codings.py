"""The content coding of a body, and gzip read piece by piece and as the body of requests."""

import asyncio
import gzip
import io
import random
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.codings import decompressed, is_gzip
from api.http.problems import Problem
from tests.unit.api.bodies import CSV, JSON, NDJSON, SETTINGS, cut, drain, multipart, request, suppress_problem, take

sizes = st.lists(st.integers(1, 60), min_size=1, max_size=5)
members = st.lists(st.binary(max_size=300), min_size=1, max_size=4)


async def _arriving(body: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    for piece in cut(body, sizes):
        yield piece


def _read(body: bytes, sizes: list[int]) -> list[bytes]:
    async def read() -> list[bytes]:
        return [piece async for piece in decompressed(_arriving(body, sizes))]

    return asyncio.run(read())


@pytest.mark.parametrize("sent", [["gzip"], ["GZip "], ["x-gzip"], ["identity, gzip"], ["identity", "gzip"]])
def test_gzip_is_recognised(sent: list[str]) -> None:
    assert is_gzip(sent)


@pytest.mark.parametrize("sent", [[], [""], ["identity"], ["Identity, "]])
def test_no_coding_is_recognised(sent: list[str]) -> None:
    assert not is_gzip(sent)


@pytest.mark.parametrize(
    "sent", [["br"], ["deflate"], ["zstd"], ["gzip, gzip"], ["gzip", "x-gzip"], ["gzip, br"], ["g" * 99_999]]
)
def test_another_coding_is_refused_with_those_that_are_read(sent: list[str]) -> None:
    with pytest.raises(Problem, match="send gzip, once, or no coding") as error:
        is_gzip(sent)
    assert (error.value.status, error.value.kind) == (415, "unsupported-content-encoding")
    assert error.value.headers == {"Accept-Encoding": "gzip, identity"}
    assert len(str(error.value)) < 200


def test_tiny_members_beyond_a_few_are_refused() -> None:
    empty = gzip.compress(b"")
    assert _read(empty * 64, [100_000]) == []
    with pytest.raises(Problem, match="members of gzip"):
        _read(empty * 3000, [100_000])


def test_members_of_a_kilobyte_may_be_many() -> None:
    content = random.Random(1).randbytes(1024)
    assert b"".join(_read(gzip.compress(content) * 1000, [100_000])) == content * 1000


@given(members, sizes)
def test_all_members_are_read_however_they_arrive(contents: list[bytes], sizes: list[int]) -> None:
    body = b"".join(gzip.compress(content, mtime=0) for content in contents)
    assert b"".join(_read(body, sizes)) == b"".join(contents)


@given(members, sizes, st.data())
def test_what_ends_too_early_is_refused(contents: list[bytes], sizes: list[int], data: st.DataObject) -> None:
    *whole, last = [gzip.compress(content, mtime=0) for content in contents]
    end = data.draw(st.integers(1, len(last) - 1))
    with pytest.raises(Problem, match="in the middle of its gzip: send all of it") as error:
        _read(b"".join(whole) + last[:end], sizes)
    assert (error.value.status, error.value.kind) == (400, "malformed-body")


@given(st.binary(min_size=2, max_size=50).filter(lambda more: more[:2] != b"\x1f\x8b"), sizes)
def test_what_follows_and_is_not_gzip_is_refused(more: bytes, sizes: list[int]) -> None:
    with pytest.raises(Problem, match="not gzip, which its Content-Encoding names"):
        _read(gzip.compress(b"Lampe", mtime=0) + more, sizes)


@given(st.binary(min_size=1, max_size=300), st.data(), sizes)
def test_a_damaged_content_is_refused(content: bytes, data: st.DataObject, sizes: list[int]) -> None:
    body = bytearray(gzip.compress(content, mtime=0))
    place = data.draw(st.integers(len(body) - 8, len(body) - 1))  # checksum and size
    body[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Problem, match="shortly after its byte"):
        _read(bytes(body), sizes)


@given(st.binary(max_size=200), sizes)
def test_anything_is_read_or_refused(body: bytes, sizes: list[int]) -> None:
    with suppress_problem(400):
        assert b"".join(_read(body, sizes)) == (gzip.decompress(body) if body else b"")


def test_a_piece_that_holds_much_comes_in_small_pieces() -> None:
    body = gzip.compress(bytes(10**7), mtime=0)
    pieces = _read(body, [len(body)])
    assert max(map(len, pieces)) <= 65536
    assert b"".join(pieces) == bytes(10**7)


GZIP = {"content-encoding": "gzip"}
FORM, FORM_TYPE = multipart([("items", "a.csv", b"title,image\nLampe,a.jpg\n"), ("images", "a.jpg", b"\xff\xd8")])
BODIES = [
    (b'{"items": [{"title": "Lampe"}], "deadline_s": 9}', JSON),
    (b'{"title": "Lampe"}\n', NDJSON),
    ("title\nÉtagère\n".encode("cp1252"), f"{CSV}; charset=windows-1252"),
    (FORM, FORM_TYPE),
]


@pytest.mark.parametrize(("body", "content_type"), BODIES, ids=["json", "ndjson", "csv", "multipart"])
def test_a_compressed_body_is_the_same_request(body: bytes, content_type: str) -> None:
    small = gzip.compress(body)
    assert take(request(cut(small, [7]), content_type, headers=GZIP), SETTINGS) == take(
        request([body], content_type), SETTINGS
    )
    assert drain(request([small], content_type, headers=GZIP), SETTINGS) == drain(
        request([body], content_type), SETTINGS
    )


LIMIT = SETTINGS.max_body_bytes
BLANK, _ = multipart([("images", "a.jpg", bytes(20 * LIMIT))])


def _empty(name: str) -> bytes:
    """A member of gzip that holds nothing but its file's name."""
    member = io.BytesIO()
    gzip.GzipFile(name, "wb", fileobj=member).close()
    return member.getvalue()


@pytest.mark.parametrize(
    ("packed", "most"),
    [(gzip.compress(BLANK, mtime=0), 3_000), (_empty("a" * 2_000) * (LIMIT // 1_000), LIMIT + 1_000)],
    ids=["decompressed", "compressed"],
)
def test_the_limit_of_a_body_counts_both_of_its_sizes(packed: bytes, most: int) -> None:
    read: list[bytes] = []
    with pytest.raises(Problem, match="larger than 1,000,000 bytes, decompressed") as error:
        take(request(map(_seen(read), cut(packed, [1_000])), FORM_TYPE, headers=GZIP), SETTINGS)
    assert (error.value.status, error.value.kind) == (413, "body-too-large")
    assert sum(map(len, read)) <= most < len(packed), "the rest is not read"


def _seen(read: list[bytes]) -> Callable[[bytes], bytes]:
    def note(piece: bytes) -> bytes:
        read.append(piece)
        return piece

    return note


def test_a_body_that_announces_too_much_is_not_read() -> None:
    announced = {**GZIP, "content-length": str(LIMIT + 1)}
    with pytest.raises(Problem, match="decompressed"):
        take(request([], JSON, headers=announced), SETTINGS)


@given(st.binary(max_size=99), sizes)
def test_a_body_that_is_not_compressed_and_says_so_is_refused(body: bytes, sizes: list[int]) -> None:
    with suppress_problem(400):
        assert not take(request(cut(body, sizes), JSON, headers=GZIP), SETTINGS).items
