"""Names of files as HTTP clients write them."""

from email.header import Header
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.problems import Problem
from api.ingest import SentPictures
from api.ingest.file_names import header_text, sent_name
from shared.file_names import FilePath


@pytest.mark.parametrize(
    ("disposition", "name", "found"),
    [
        (
            "form-data; name=images; filename=\"=?utf-8?B?w6kuanBn?=\"; filename*=utf-8''%C3%A9.jpg",
            "=?utf-8?B?w6kuanBn?=",
            "é.jpg",
        ),
        ("form-data; name=images; filename*=UTF-8''%C3%A9%20%22.jpg", None, 'é ".jpg'),
        ("form-data; name=images; filename*=iso-8859-1'fr'%E9.jpg", None, "é.jpg"),
        ('form-data; name=images; filename="a.jpg"; filename*=nonsense', "a.jpg", "a.jpg"),
        ("form-data; name=images; filename=\"a.jpg\"; filename*=no-such-charset''%E9", "a.jpg", None),
        ('form-data; name=images; filename="=?utf-8?B?w6kuanBn?="', "=?utf-8?B?w6kuanBn?=", "é.jpg"),
        ('form-data; name=images; filename="=?utf-8?Q?=C3=A9.jpg?="', "=?utf-8?Q?=C3=A9.jpg?=", "é.jpg"),
        (
            'form-data; name=images; filename="=?no-such?B?w6kuanBn?="',
            "=?no-such?B?w6kuanBn?=",
            "=?no-such?B?w6kuanBn?=",
        ),
        ('form-data; name=images; filename="=?a.jpg"', "=?a.jpg", "=?a.jpg"),
        ("form-data; name=title", None, None),
    ],
)
def test_a_name_in_a_header_is_decoded(disposition: str, name: str | None, found: str | None) -> None:
    decoded = sent_name(disposition, name)
    assert decoded == found or (found is None and name is not None and decoded is not None)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).map(str.strip).filter(bool))
def test_names_survive_every_encoding_of_a_header(name: str) -> None:
    assert sent_name(f"form-data; name=images; filename*=UTF-8''{quote(name, safe='')}", None) == name
    words = Header(name, "utf-8", maxlinelen=10_000).encode()
    assert sent_name(f'form-data; filename="{words}"', words) == name
    assert header_text(name.encode().decode("latin-1")) == name


@given(st.text(max_size=60), st.text(max_size=30) | st.none())
def test_no_header_is_too_strange(disposition: str, name: str | None) -> None:
    sent_name(disposition, name)
    sent_name(f"form-data; filename*{disposition}", name)


def test_bytes_that_are_not_utf8_are_windows() -> None:
    assert header_text("Caf\xe9 \x96 1.jpg") == "Café – 1.jpg"


def test_a_request_with_two_pictures_of_one_path_is_refused() -> None:
    sent = SentPictures()
    sent.add(FilePath.of("a/b.jpg"), "one")
    with pytest.raises(Problem, match=r"Two pictures are named 'a/b.jpg'"):
        sent.add(FilePath.of("a\\b.jpg"), "another")
