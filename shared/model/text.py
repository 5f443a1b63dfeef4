"""Raw title and description to the text network's input, for training and serving alike."""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2

_TAG = re.compile(r"<[^>]{0,2000}>")
_WORD = re.compile(r"[^\W_]+")
_ACCENT = re.compile("[\u0300-\u036f]")  # of European scripts; other scripts' marks make other letters
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o"})


def words(title: str | None, description: str | None = None) -> list[str]:
    """The words of an item, title first: markup and accents gone, lower-cased, letters and digits only.

    Three in four products of the challenge come already lower-cased and without accents; this brings the rest to that
    form. Entities are decoded twice, because shops escape what was already escaped.
    """
    text = html.unescape(html.unescape(" ".join(part for part in (title, description) if part)))
    # Decomposed before it is lower-cased: compatibility forms such as 𝕬 hide capitals.
    text = unicodedata.normalize("NFKD", _TAG.sub(" ", text)).lower()
    bare = _ACCENT.sub("", text).translate(_LIGATURES)
    return _WORD.findall(unicodedata.normalize("NFC", bare))


@dataclass(frozen=True)
class TextEncoder:
    """Words to a fixed number of ids.

    Short texts are padded on the left, so that the LSTM needs no mask: OpenVINO cannot run a masked one.
    """

    vocabulary: tuple[str, ...]
    max_words: int

    @classmethod
    def fit(cls, texts: Iterable[Sequence[str]], max_words: int, size: int, min_count: int) -> "TextEncoder":
        """The `size` most frequent words that occur at least `min_count` times; ties in alphabetical order."""
        counts = Counter(word for text in texts for word in text[:max_words])
        ranked = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        return cls(tuple(word for _, word in ranked[:size]), max_words)

    @classmethod
    def load(cls, path: Path, max_words: int) -> "TextEncoder":
        return cls(tuple(path.read_text(encoding="utf-8").split("\n")), max_words)

    def save(self, path: Path) -> None:
        path.write_text("\n".join(self.vocabulary), encoding="utf-8")

    @property
    def size(self) -> int:
        """How many ids there are, padding and unknown included."""
        return len(self.vocabulary) + FIRST_WORD

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.vocabulary, FIRST_WORD)}

    def encode(self, texts: Sequence[Sequence[str]]) -> npt.NDArray[np.int32]:
        """Ids of shape (texts, max_words), zero-padded on the left; words past `max_words` are not used."""
        encoded = np.full((len(texts), self.max_words), PADDING, np.int32)
        for row, text in zip(encoded, texts, strict=True):
            ids = [self._ids.get(word, UNKNOWN) for word in text[: self.max_words]]
            if ids:
                row[-len(ids) :] = ids
        return encoded
