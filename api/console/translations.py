"""The console's words in each language. The templates are in English; `locales/LANGUAGE.po` has the others."""

from collections.abc import Sequence
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

import polib

_LOCALES = Path(__file__).parent / "locales"
SOURCE = "en"
LANGUAGES = (SOURCE, *sorted(path.stem for path in _LOCALES.glob("*.po")))


def load(language: str) -> NullTranslations:
    """Return the words of a language; those of the templates for one that is not there.

    A `.po` file is read as it is, so that nobody has to compile it after a change.
    """
    if language not in LANGUAGES or language == SOURCE:
        return NullTranslations()
    return GNUTranslations(BytesIO(polib.pofile(str(_LOCALES / f"{language}.po")).to_binary()))


def best(wanted: Sequence[str]) -> str:
    """Return the first of the wanted languages that the console has, such as `fr` for `fr-ch`."""
    return next((plain for tag in wanted if (plain := tag.partition("-")[0]) in LANGUAGES), SOURCE)
