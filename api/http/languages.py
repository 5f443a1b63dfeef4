"""The languages that a caller wants names in: `?lang=fr`, or the console's cookie, or else `Accept-Language`."""

import re
from typing import Annotated

from fastapi import Cookie, Depends, Header, Query

_LANGUAGE = "[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,3}"
_RANGE = re.compile(rf"\s*({_LANGUAGE})\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{{0,3}})?))?\s*")
_READ = 1000
"""Characters of the header; browsers send a tenth of that."""
_MOST = 10

COOKIE = "catalog_language"
"""Set by the console's switch."""
VARY = {"Vary": "Accept-Language, Cookie"}
"""Headers of an answer whose names are in the caller's language."""


async def _wanted(
    lang: Annotated[
        str | None,
        Query(
            pattern=f"^{_LANGUAGE}$",
            description="The language of categories' names, such as `fr` or `en-GB`; it goes before the header "
            "`Accept-Language`. Categories without a name in it have their plain name.",
        ),
    ] = None,
    accept_language: Annotated[
        str | None, Header(description="The languages of categories' names, with weights: `fr-CH, fr;q=0.9, en;q=0.8`.")
    ] = None,
    chosen: Annotated[str | None, Cookie(alias=COOKIE, include_in_schema=False)] = None,
) -> tuple[str, ...]:
    if lang is not None:
        return (lang.lower(),)
    return preferred(chosen or accept_language or "")


LanguagesDep = Annotated[tuple[str, ...], Depends(_wanted)]
"""In lower case, the most wanted first; empty if the caller wants plain names."""


def preferred(accept_language: str) -> tuple[str, ...]:
    """Return the languages of the header in lower case, the most wanted first; what cannot be read is passed over."""
    weights: dict[str, float] = {}
    for part in accept_language[:_READ].split(","):
        if (found := _RANGE.fullmatch(part)) is not None:
            weights.setdefault(found[1].lower(), 1.0 if found[2] is None else float(found[2]))
    wanted = sorted((name for name, weight in weights.items() if weight > 0), key=lambda name: -weights[name])
    return tuple(wanted[:_MOST])
