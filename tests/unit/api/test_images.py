"""Pictures in base64 and as `data:` URLs, in the forms that programs write."""

import asyncio
import base64
import os
import textwrap
from contextlib import suppress
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.ingest import SentPictures, Spool
from api.items.images import keep_picture
from api.items.inline import NotInlineError, decode_base64, decode_data_url
from api.items.schemas import ImageIn
from api.items.validation import ItemError
from shared.settings import Settings


def _kept(image: ImageIn, settings: Settings) -> str | None:
    with Spool(settings.max_body_bytes) as spool:
        return asyncio.run(keep_picture(image, SentPictures(), settings, spool))


@given(st.binary(min_size=1, max_size=200))
def test_base64_is_read_in_every_usual_form(data: bytes) -> None:
    plain, url_safe = base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()
    lines = textwrap.wrap(plain, 76)
    forms = [plain, url_safe, url_safe.rstrip("="), "\n".join(lines) + "\n", "\r\n".join(lines), f" {plain}"]
    forms += [f"data:image/jpeg;base64,{plain}", "DATA:;base64,\n" + "\n".join(lines)]
    assert {decode_base64(form) for form in forms} == {data}


@pytest.mark.parametrize("text", ["a", "é", "####", "YQ==YQ==", "data:image/png;base64,!", "\ud800"])
def test_what_is_no_base64_is_the_items_error(text: str) -> None:
    with pytest.raises(ItemError, match="not base64"):
        _kept(ImageIn(base64=text), Settings())


@given(st.binary(min_size=1, max_size=200))
def test_a_data_url_is_a_picture_of_its_own(data: bytes) -> None:
    plain, escaped = base64.b64encode(data).decode(), "".join(f"%{byte:02x}" for byte in data)
    some = quote_from_bytes(data, safe="/+=")
    images = [
        *(f"data:image/jpeg;base64,{plain}", f" Data:;BASE64,{quote(plain, safe='')}", f"data:a/b;c=d; base64,{plain}"),
        *(f"data:image/jpeg,{escaped}", f"DATA:,{some}", f"data:text/plain;charset=x,{some}\n#base64,"),
    ]
    assert [ImageIn(url=url).link for url in images] == [None] * len(images)
    assert {decode_data_url(url) for url in images} == {data}


@given(st.text(st.sampled_from("%aF9z,;#=+ ") | st.characters(), max_size=60))
def test_any_data_url_is_decoded_or_refused(text: str) -> None:
    with suppress(NotInlineError):
        assert isinstance(decode_data_url(f"data:{text}"), bytes)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("data:image/png;base64", "needs a comma"),
        ("data:image/png;base64,!", "not base64"),
        ("data:image/png;base64,%ff", "not base64"),
        ("data:,", "the picture is empty"),
        ("data:image/png;base64," + base64.b64encode(bytes(31)).decode(), "31 bytes, over 30"),
        ("data:image/png," + "%00" * 31, "31 bytes, over 30"),
        ("data:,\ud800", "not percent-encoded"),
    ],
)
def test_what_is_wrong_with_a_data_url_is_the_items_error(url: str, said: str) -> None:
    with pytest.raises(ItemError, match=said) as error:
        _kept(ImageIn(url=url), Settings(max_image_bytes=30))
    assert error.value.pointer == "/image/url"


def test_a_long_content_is_decoded_as_a_whole() -> None:
    data = os.urandom(300_000) + b"%%4" * 50_000
    assert decode_data_url(f"data:,{quote_from_bytes(data)}") == data
    assert decode_data_url(f"data:,{'%%41' * 100_000}") == b"%A" * 100_000


def test_links_have_a_bound_of_their_own() -> None:
    with pytest.raises(ValidationError, match="40,001 characters, over 40,000"):
        ImageIn(url="https://shop.example/" + "a" * 39_980)
