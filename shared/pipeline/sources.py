"""The catalogues that trainings may learn from, by name: the operator says where each lies, a request only names one.

So nothing in a request is a path or a URL, and a request can read neither this machine nor its network.
"""

import json
import re
from collections.abc import Mapping

NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]*\S*", re.IGNORECASE)
_FORM = (
    "CATALOG_TRAINING_SOURCES has a name and a place for each source, NAME=PLACE,NAME=PLACE, or the same as a JSON "
    "object; such as rakuten=/data/rakuten,spring=s3://bucket/spring"
)


def parse_sources(value: object) -> dict[str, str]:
    """Read the setting: `NAME=PLACE,NAME=PLACE`, a JSON object, or a mapping.

    Raises:
        ValueError: It has another form, or a place is neither an absolute path nor the URL of one store.
    """
    pairs = _pairs(value.strip()) if isinstance(value, str) else value
    if not isinstance(pairs, Mapping):
        raise ValueError(_FORM)  # pydantic reports this one
    for name, place in pairs.items():
        if not NAME.fullmatch(str(name)):
            raise ValueError(f"{name!r} is no name of a source: up to 64 letters, digits, '.', '_' and '-'. {_FORM}")
        if not isinstance(place, str) or not _is_place(place):
            raise ValueError(
                f"the place of source {name} must be a folder's or file's absolute path, or one URL such as "
                f"s3://bucket/folder; URLs chained with '::' are not accepted. {_FORM}"
            )
    return dict(pairs)


def _pairs(text: str) -> object:
    if text.startswith("{"):
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError(f"{error}. {_FORM}") from None
    pairs = [entry.strip().partition("=") for entry in re.split(r"[,\n]", text) if entry.strip()]
    if not all(separator for _, separator, _ in pairs):
        raise ValueError(_FORM)
    named = {name.strip(): place.strip() for name, _, place in pairs}
    if len(named) < len(pairs):
        raise ValueError(f"a name occurs twice. {_FORM}")
    return named


def _is_place(place: str) -> bool:
    return "::" not in place and (place.startswith("/") or _URL.fullmatch(place) is not None)
