"""Title and description as words: two texts with the same words are the same text everywhere in this project."""

import html
import re
import unicodedata

TITLE_LIMIT = 10_000
"""Characters of a title that the service accepts, and so of one that a model may learn from."""
DESCRIPTION_LIMIT = 50_000
"""The same for a description."""

_TAG = re.compile(r"<[^>]{0,2000}>")
_WORD = re.compile(r"\d+|[^\W\d_]+")
_ACCENT = re.compile("[\u0300-\u036f]")  # of European scripts; in other scripts a mark makes another letter
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o"})


def words(title: str | None, description: str | None = None) -> list[str]:
    """Split an item's text into words, title first: lower-case, without markup or accents, numbers apart from units.

    Three in four products of the challenge are already lower-case and without accents; this brings the rest to that
    form. Entities are decoded twice, because shops escape what was already escaped.
    """
    text = " ".join(part for part in (title, description) if part)
    if "&" in text:
        text = html.unescape(html.unescape(text))
    text = _TAG.sub(" ", text)
    if text.isascii():  # most texts are, and the steps below would not change them
        return _WORD.findall(text.lower())
    # Decomposed before it is lower-cased: compatibility forms such as 𝕬 hide capitals.
    bare = _ACCENT.sub("", unicodedata.normalize("NFKD", text).lower()).translate(_LIGATURES)
    return _WORD.findall(unicodedata.normalize("NFC", bare))
