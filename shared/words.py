"""Title and description to words: what two texts must have in common to be the same, for all who ask."""

import html
import re
import unicodedata

_TAG = re.compile(r"<[^>]{0,2000}>")
_WORD = re.compile(r"\d+|[^\W\d_]+")
_ACCENT = re.compile("[\u0300-\u036f]")  # of European scripts; other scripts' marks make other letters
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o"})


def words(title: str | None, description: str | None = None) -> list[str]:
    """The words of an item, title first: markup and accents gone, lower-cased, numbers apart from their units.

    Three in four products of the challenge come already lower-cased and without accents; this brings the rest to that
    form. Entities are decoded twice, because shops escape what was already escaped.
    """
    text = " ".join(part for part in (title, description) if part)
    if "&" in text:
        text = html.unescape(html.unescape(text))
    text = _TAG.sub(" ", text)
    if text.isascii():  # most are, and nothing of what follows would change them
        return _WORD.findall(text.lower())
    # Decomposed before it is lower-cased: compatibility forms such as 𝕬 hide capitals.
    bare = _ACCENT.sub("", unicodedata.normalize("NFKD", text).lower()).translate(_LIGATURES)
    return _WORD.findall(unicodedata.normalize("NFC", bare))
