"""Encoding of an item's words as the text network's input, in training and serving."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from zlib import crc32

import numpy as np
import numpy.typing as npt

PADDING = 0
_FIRST_ID = 1

_STEP = 8
"""Texts are padded to a multiple of this, so that a runtime meets few shapes."""

_FEW = 8
"""Texts of one length that are too few for a batch of their own."""

_CACHED_WORDS, _CACHED_LETTERS = 200_000, 64
"""How many words' ids are kept, and of words of how many letters at most."""

TokenIds = npt.NDArray[np.int32]
"""Ids of one text, of shape (words, subwords)."""


def subwords(word: str) -> Iterator[str]:
    """Yield the bordered word, then its n-grams of three to five characters (Bojanowski et al. 2017, fastText)."""
    bordered = f"<{word}>"
    yield bordered
    seen = {bordered}
    for size in (3, 4, 5):
        for start in range(len(bordered) - size + 1):
            gram = bordered[start : start + size]
            if gram not in seen:
                seen.add(gram)
                yield gram


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """Encodes words as the ids of their subwords.

    The vocabulary holds hashes (CRC-32) instead of texts, so that a bundle does not reveal its products' names. Texts
    are padded on the left; the network is built so that padding changes no answer.
    """

    vocabulary: npt.NDArray[np.uint32]
    """Hashes of the known subwords, most frequent first."""
    max_words: int
    max_subwords: int
    """Subwords of one word, including the word itself."""

    @classmethod
    def fit(
        cls, texts: Iterable[Sequence[str]], *, max_words: int, max_subwords: int, size: int, min_count: int
    ) -> "TextEncoder":
        """Take the `size` subwords that occur in the most texts, at least `min_count`; ties are ordered by hash."""
        texts_with = Counter(word for text in texts for word in set(text[:max_words]))
        counts: Counter[int] = Counter()
        for word, count in texts_with.items():
            for subword in subwords(word):
                counts[_hash(subword)] += count
        ranked = sorted((-count, key) for key, count in counts.items() if count >= min_count)
        return cls(np.array([key for _, key in ranked[:size]], np.uint32), max_words, max_subwords)

    @property
    def size(self) -> int:
        """Number of ids, including padding."""
        return len(self.vocabulary) + _FIRST_ID

    @cached_property
    def _ids(self) -> dict[int, int]:
        return {key: index for index, key in enumerate(self.vocabulary.tolist(), _FIRST_ID)}

    @cached_property
    def _rows(self) -> dict[str, npt.NDArray[np.int32]]:
        return {}

    def word(self, word: str) -> npt.NDArray[np.int32]:
        """Ids of shape (max_subwords,): the word's own, or padding where it is unknown, then its known n-grams'."""
        row = self._rows.get(word)
        if row is None:
            own, *grams = (self._ids.get(_hash(subword), PADDING) for subword in subwords(word))
            known = [own, *(gram for gram in grams if gram != PADDING)][: self.max_subwords]
            row = np.full(self.max_subwords, PADDING, np.int32)
            row[: len(known)] = known
            if len(word) <= _CACHED_LETTERS:
                if len(self._rows) >= _CACHED_WORDS:
                    self._rows.clear()
                self._rows[word] = row
        return row

    def ids(self, text: Sequence[str]) -> TokenIds:
        """Ids of the text's first `max_words` words."""
        rows = [self.word(word) for word in text[: self.max_words]]
        return np.stack(rows) if rows else np.empty((0, self.max_subwords), np.int32)

    def encode(self, texts: Sequence[Sequence[str]]) -> npt.NDArray[np.int32]:
        """Ids of shape (texts, words, max_subwords), padded as `pad` does; words past `max_words` are not used."""
        if not texts:
            return np.empty((0, _STEP, self.max_subwords), np.int32)
        return pad([self.ids(text) for text in texts])


def unknown_share(ids: TokenIds) -> float:
    """Return the share of the words in `TextEncoder.ids` that the vocabulary does not hold as whole words."""
    return (len(ids) - int(np.count_nonzero(ids[:, 0]))) / len(ids) if len(ids) else 0.0


def pad(texts: Sequence[TokenIds]) -> npt.NDArray[np.int32]:
    """Stack texts to (texts, words, subwords), padded on the left to the longest length, in steps of eight."""
    padded = np.full((len(texts), max(_padded(text) for text in texts), texts[0].shape[1]), PADDING, np.int32)
    for row, text in zip(padded, texts, strict=True):
        row[len(row) - len(text) :] = text
    return padded


def by_length(texts: Sequence[TokenIds]) -> list[list[int]]:
    """Group the indices of texts to compute together: those that `pad` would pad to the same length, if many are.

    A few texts join the next longer ones, because computing a batch by itself costs more than padding them.
    """
    groups: dict[int, list[int]] = {}
    for index, text in enumerate(texts):
        groups.setdefault(_padded(text), []).append(index)
    for shorter, longer in pairwise(sorted(groups)):
        if len(groups[shorter]) < _FEW:
            groups[longer] += groups.pop(shorter)
    return list(groups.values())


def _padded(text: TokenIds) -> int:
    """Return the text's length, rounded up to a whole number of steps."""
    return max(-(-len(text) // _STEP), 1) * _STEP


def _hash(subword: str) -> int:
    return crc32(subword.encode())
