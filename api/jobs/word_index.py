"""Texts by their words, to find those that are most like another one."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from math import log, sqrt


class WordIndex:
    """An index of texts: of each word the texts that have it.

    How similar two texts are is the cosine of their words, from 0 (no word in common) to 1 (the same words). A word
    weighs the more, the fewer of the texts have it; how often a text has it does not count.
    """

    def __init__(self, texts: Sequence[Collection[str]]) -> None:
        self._size = len(texts)
        self._having = defaultdict[str, list[int]](list)
        for position, text in enumerate(texts):
            for word in set(text):
                self._having[word].append(position)
        self._lengths = [self._length(set(text)) for text in texts]

    def nearest(self, text: Iterable[str], least: float) -> list[tuple[int, float]]:
        """Return the positions of the texts that are at least that similar, the most similar first.

        Of texts that are equally similar, the one that comes first in the index comes first.
        """
        asked = set(text)
        length, shared = self._length(asked), defaultdict[int, float](float)
        for word in sorted(asked & self._having.keys()):  # in an order: sums of floats depend on it
            square = self._weight(word) ** 2
            for position in self._having[word]:
                shared[position] += square
        similar = ((position, min(part / (length * self._lengths[position]), 1.0)) for position, part in shared.items())
        return sorted((pair for pair in similar if pair[1] >= least), key=lambda pair: (-pair[1], pair[0]))

    def _weight(self, word: str) -> float:
        """The word's weight, which is above 0 for a word that all texts have, too."""
        return log(1 + (self._size + 1) / (len(self._having.get(word, ())) + 1))

    def _length(self, text: Collection[str]) -> float:
        return sqrt(sum(self._weight(word) ** 2 for word in sorted(text)))
