"""The charset of a media type, and bodies turned into UTF-8."""

import asyncio
import codecs
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.charsets import _KNOWN, charset_of, in_utf_8
from api.http.problems import Problem


async def _pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def _read(data: bytes, size: int, charset: str) -> bytes:
    async def read() -> bytes:
        return b"".join([piece async for piece in in_utf_8(_pieces(data, size), charset)])

    return asyncio.run(read())


@pytest.mark.parametrize("charset", sorted(_KNOWN))
def test_each_known_charset_has_its_own_name(charset: str) -> None:
    assert codecs.lookup(charset).name == charset


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("text/csv", None),
        ("text/csv; charset=", None),
        ("text/csv; charset=UTF-8", None),
        ("text/csv; charset=utf8; header=present", None),
        ("text/csv; charset=us-ascii", None),
        ("text/csv; charset=windows-1252", "cp1252"),
        ('text/csv; header=present; charset="UTF-16"', "utf-16"),
        ("text/csv; charset=latin1", "cp1252"),
        ("application/json; Charset=ISO-8859-15", "iso8859-15"),
    ],
)
def test_charset_is_read_from_the_media_type(content_type: str, charset: str | None) -> None:
    assert charset_of(content_type) == charset


@pytest.mark.parametrize("named", ["klingon", "rot13", "zlib", "utf-7", "idna", "a\0b", "x" * 9999, "é"])
def test_another_charset_is_refused(named: str) -> None:
    with pytest.raises(Problem) as error:
        charset_of(f"text/csv; charset={named}")
    assert (error.value.status, error.value.kind) == (415, "unsupported-charset")


@given(st.text(st.characters(codec="utf-8")), st.integers(1, 7), st.sampled_from(["utf-16", "utf-16-be", "gb18030"]))
def test_a_text_is_the_same_however_its_bytes_arrive(text: str, size: int, charset: str) -> None:
    assert _read(text.encode(charset), size, charset) == text.encode()


def test_windows_1252_is_read_byte_by_byte() -> None:
    assert _read("Étagère – 5 €".encode("cp1252"), 1, "cp1252") == "Étagère – 5 €".encode()


@pytest.mark.parametrize(("data", "charset"), [(b"a\x81b", "cp1252"), (b"a\0b", "utf-16-le"), (b"\0\xd8", "utf-16-le")])
def test_bytes_that_are_not_of_the_charset_are_refused(data: bytes, charset: str) -> None:
    with pytest.raises(Problem, match=f"not {charset}, which its media type names"):
        _read(data, 1, charset)
