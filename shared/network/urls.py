"""URLs that others wrote, read as browsers read them (WHATWG): international hosts, letters outside ASCII, blanks."""

import base64
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urljoin

from pydantic import ValidationError
from pydantic_core import Url

MAX_URL = 8000
"""Characters of a URL: what RFC 9110 asks of everybody, and enough for signed ones."""
_MAX_LIST = 5
"""URLs of one picture that are tried; a gallery's other pictures show the same product."""
_SHOWN = 300

_BETWEEN = re.compile(r"(?:[\s,;|]*[,;|]\s*|\s+)(?=https?://)", re.IGNORECASE)
"""Between two URLs in a shop's export. A comma or blank that no URL follows belongs to the URL before it."""


class UnusableURLError(ValueError):
    """The text is no URL that is fetched; the message says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class WebUrl:
    """An http or https URL in ASCII, percent-encoded."""

    scheme: str
    host: str
    """A name, an IPv4 address, or an IPv6 address without brackets."""
    port: int
    target: str
    """Path and query."""
    credentials: str | None = None
    """User name and password as the header `Authorization` has them."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Raise `UnusableURLError` for what is no such URL."""
        if len(text) > MAX_URL:
            raise UnusableURLError(f"it has {len(text):,} characters, over {MAX_URL:,}")
        if not re.match(r"\s*https?:", text, re.IGNORECASE):
            raise UnusableURLError("only URLs that begin with http:// or https:// and a host are fetched")
        try:
            url = Url(text)
        except ValidationError as error:
            why = error.errors()[0].get("ctx", {}).get("error", "not text")
            raise UnusableURLError(f"it is not a valid URL ({why})") from None
        if url.host is None or url.port is None:
            raise UnusableURLError("it has no host")
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        return cls(url.scheme, url.host.strip("[]"), url.port, target, _basic(url))

    def joined(self, location: bytes) -> Self:
        """The URL that a redirect's header leads to; raises `UnusableURLError`."""
        try:
            text = location.decode()
        except UnicodeDecodeError:  # sent as the bytes that they are, as browsers do
            text = "".join(chr(byte) if byte < 128 else f"%{byte:02X}" for byte in location)
        try:
            url = self.read(urljoin(f"{self.origin}{self.target}", text.strip()))
        except UnusableURLError:
            raise
        except ValueError:
            raise UnusableURLError("it is not a valid URL") from None
        if url.credentials is None and url.origin == self.origin:
            return type(self)(url.scheme, url.host, url.port, url.target, self.credentials)
        return url

    @property
    def authority(self) -> str:
        """Host and port, the latter unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def shown(self) -> str:
        """For messages: without credentials, and not at length."""
        text = self.origin + self.target
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def holds_data(text: str) -> bool:
    """Whether this is a `data:` URL, of which nothing is fetched."""
    return text[:_SHOWN].lstrip()[:5].lower() == "data:"


def listed(text: str) -> list[str]:
    """The URLs in a field that may hold several, as shops export them; the first few of them.

    They are separated by a comma, semicolon, bar or blank before the next `http://` or `https://`.
    """
    return _BETWEEN.split(text.strip(" \t\r\n,;|"))[:_MAX_LIST]


def canonical_list(text: str) -> str:
    """The same URLs in ASCII, separated by blanks; raises `UnusableURLError` if one of them is none."""
    urls = listed(text)
    for url in urls:
        WebUrl.read(url)
    return " ".join(str(Url(url)) for url in urls)


def _basic(url: Url) -> str | None:
    if not url.username and not url.password:
        return None
    pair = f"{unquote(url.username or '')}:{unquote(url.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
