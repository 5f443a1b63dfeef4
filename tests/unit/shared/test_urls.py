"""Reading URLs as browsers do, and fields that hold several."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.network.urls import MAX_URL, UnusableURLError, WebUrl, listed


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("HTTP://Shop.Example:80/a b.jpg", ("http", "shop.example", 80, "/a%20b.jpg")),
        (
            " https://bücher.example/été.jpg?größe=1#x ",
            ("https", "xn--bcher-kva.example", 443, "/%C3%A9t%C3%A9.jpg?gr%C3%B6%C3%9Fe=1"),
        ),
        ("http://xn--n3h/x", ("http", "xn--n3h", 80, "/x")),
        ("http://i❤.example", ("http", "xn--i-7iq.example", 80, "/")),
        ("http://[2001:db8::1]:8080/%2F", ("http", "2001:db8::1", 8080, "/%2F")),
        ("http:\\\\shop.example\\a", ("http", "shop.example", 80, "/a")),
    ],
)
def test_urls_are_read_as_browsers_read_them(text: str, asked: tuple[str, str, int, str]) -> None:
    url = WebUrl.read(text)
    assert (url.scheme, url.host, url.port, url.target) == asked


@given(st.one_of(st.text(), st.text().map("http://".__add__)), st.binary())
def test_reading_and_joining_give_an_ascii_url_or_refuse(text: str, location: bytes) -> None:
    try:
        url = WebUrl.read(text).joined(location)
    except UnusableURLError:
        return
    assert (url.host + url.target).isascii()
    assert url.host


def test_long_urls_are_taken() -> None:
    long = "http://shop.example/".ljust(MAX_URL, "a")
    assert WebUrl.read(long).target.endswith("a" * 7000)
    with pytest.raises(UnusableURLError, match="over 8,000"):
        WebUrl.read(long + "a")


@pytest.mark.parametrize("between", [",", ", ", ";", "|", " | ", " ", "\n", "\r\n", ",\n ", " ;; "])
def test_urls_of_one_field_are_taken_apart(between: str) -> None:
    urls = [
        "http://a.example/w_1,h_2;x|y/a b.jpg?u=1,2",
        "HTTPS://b.example/https://c.example/c.jpg",
        "http://d.example",
    ]
    assert listed(f" {between.join(urls)} ,") == urls


def test_only_a_gallerys_first_urls_are_kept() -> None:
    assert listed(",".join(f"http://a.example/{n}" for n in range(1000))) == [f"http://a.example/{n}" for n in range(5)]
