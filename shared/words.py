"""Title and description as words: two texts with the same words are the same text everywhere in this project."""

import re
import unicodedata

from shared.markup import without_markup

TITLE_LIMIT = 10_000
"""Characters of a title that the service accepts, and so of one that a model may learn from."""
DESCRIPTION_LIMIT = 50_000
"""The same for a description."""

_WORD = re.compile(r"\d+|[^\W\d_]+")
_SIGNS = re.compile(r"[^\x00-\u02ff\w\s]{32,}+")
"""More signs or marks than text has: `normalize` sorts the marks of a letter, in the square of their number."""
_NO_LETTER = re.compile(
    "[\u0300-\u036f"  # accents of European scripts; in other scripts a mark makes another letter
    "\u00ad\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)
"""Accents and invisible characters, among them soft hyphens, joiners, directions of writing and variants of a sign."""
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o"})


def words(title: str | None, description: str | None = None) -> list[str]:
    """Split an item's text into words, title first: lower-case, without markup or accents, numbers apart from units.

    Three in four products of the challenge are already lower-case and without accents; this brings the rest to that
    form. An invisible character is no part of a word, and does not cut it. Takes time in proportion to the text.
    """
    text = without_markup(" ".join(part for part in (title, description) if part))
    if text.isascii():  # most texts are, and the steps below would not change them
        return _WORD.findall(text.lower())
    # Decomposed before it is lower-cased: compatibility forms such as 𝕬 hide capitals.
    decomposed = unicodedata.normalize("NFKD", _SIGNS.sub(" ", text)).lower()
    bare = _NO_LETTER.sub("", decomposed).translate(_LIGATURES)
    return _WORD.findall(unicodedata.normalize("NFC", bare))
