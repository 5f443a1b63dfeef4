"""Makes pages of templates, in the caller's language. All links are relative: a proxy may serve them below a prefix."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from api.access.authentication import Principal
from api.console import static_files, translations
from api.console.numbers import Formats
from api.http.languages import COOKIE, LanguagesDep, preferred
from shared.tenants.api_keys import Scope

THEME_COOKIE = "catalog_theme"
THEMES = ("light", "dark")


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(translations.load(language), newstyle=True)  # type: ignore[attr-defined]
    formats = Formats(language)
    environment.filters.update(number=formats.number, percent=formats.percent, span=formats.span)
    return environment


@dataclass(frozen=True)
class ConsolePage:
    """A page to be made for a request."""

    request: Request
    language: str

    def render(
        self, template: str, caller: Principal | None, status: HTTPStatus = HTTPStatus.OK, **values: Any
    ) -> HTMLResponse:
        """Make the page of a template; `values` are what it shows."""
        content = (
            _environment(self.language)
            .get_template(template)
            .render(
                caller=caller,
                csrf=lambda: _csrf(caller),
                may=lambda what: _may(caller, what),
                language=self.language,
                languages=translations.LANGUAGES,
                theme=self._theme(),
                path=self.request.url.path,
                link=self.link,
                here=self.here,
                static=lambda name: self.link(static_files.path_of(name)),
                time=_time,
                **values,
            )
        )
        return HTMLResponse(content, status)

    def redirect(self, path: str, **query: Any) -> RedirectResponse:
        """Send the browser to another page after a form."""
        return RedirectResponse(self.link(path, **query), HTTPStatus.SEE_OTHER)

    def link(self, path: str, **query: Any) -> str:
        """Return a link to a path of the API, relative to this page."""
        raw: bytes = self.request.scope.get("raw_path") or self.request.url.path.encode()
        up = raw.partition(b"?")[0].count(b"/") - 1
        asked = urlencode({name: value for name, value in query.items() if value not in (None, "")}, doseq=True)
        return "../" * up + (path.removeprefix("/") or "./") + (f"?{asked}" if asked else "")

    def here(self, **query: Any) -> str:
        """Return a link to this page with other values in its query; what is not named stays."""
        return self.link(self.request.url.path, **{**_listed(self.request.query_params.multi_items()), **query})

    def _theme(self) -> str | None:
        chosen = self.request.cookies.get(THEME_COOKIE)
        return chosen if chosen in THEMES else None


def _may(caller: Principal | None, what: str) -> bool:
    """Whether a page shows what needs a scope; `decide` needs `review` itself, which `classify` does not stand for."""
    if caller is None:
        return False
    return Scope.REVIEW in caller.scopes if what == "decide" else caller.may(Scope(what))


def _csrf(caller: Principal | None) -> Markup:
    """The hidden field of a form that tells that a page of this session has sent it."""
    if caller is None or caller.session is None:
        return Markup()
    return Markup('<input type="hidden" name="csrf" value="{}">').format(caller.session.csrf)


def _listed(pairs: list[tuple[str, str]]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _time(moment: datetime | None) -> str:
    """The moment as `<time>` has it; a script shows it in the reader's own zone."""
    return "" if moment is None else moment.isoformat(timespec="seconds")


def page_of(request: Request) -> ConsolePage:
    """Return a page for a request whose dependencies were not resolved, because one of them has raised a problem."""
    wanted = preferred(request.cookies.get(COOKIE) or request.headers.get("accept-language", ""))
    return ConsolePage(request, translations.best(wanted))


async def _page(request: Request, languages: LanguagesDep) -> ConsolePage:
    return ConsolePage(request, translations.best(languages))


PageDep = Annotated[ConsolePage, Depends(_page)]
