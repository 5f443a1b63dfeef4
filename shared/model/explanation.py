"""Which words of a text carry an answer: what is left of its lead when each of them is left out.

Leaving out needs nothing of the network but its answers, so it holds for every runtime, and for the fused answer as it
is served. On the challenge's products it names words that matter: `benchmarks/explanation.py`.
"""

import numpy as np
import numpy.typing as npt

from shared.model.fusion import Probabilities, log
from shared.model.text import TokenIds

Effects = npt.NDArray[np.float32]
"""By how much each word raises the lead of the first category over the second, in log odds; (words,)."""

_NAMED = 4
"""Words of which one is named, at most."""


def without_each(ids: TokenIds) -> list[TokenIds]:
    """Return the text without its first word, without its second one, and so on."""
    return [np.delete(ids, word, axis=0) for word in range(len(ids))]


def effects(answer: Probabilities, without: Probabilities) -> Effects:
    """Return what each word adds to the lead of the most probable category over the next one.

    Args:
        answer: The probabilities of the item as it is, (classes,); at least two classes.
        without: Those without each word, (words, classes); a row of NaN where nothing was left to answer from.
    """
    second, first = np.argsort(answer, kind="stable")[-2:]
    rest = log(without[:, [first, second]])
    lead = log(answer[[first, second]])
    # Where nothing is left, no category leads.
    return np.asarray((lead[0] - lead[1]) - np.nan_to_num(rest[:, 0] - rest[:, 1]), np.float32)


def named(found: Effects) -> list[tuple[int, int]]:
    """Return the words that carry the answer: a quarter of them, neighbours as one phrase, the strongest first.

    Returns:
        The first word of each phrase and the number of its words; words against the answer are not among them.
    """
    most = -(-len(found) // _NAMED)
    chosen = sorted(word for word in np.argsort(-found, kind="stable")[:most].tolist() if found[word] > 0)
    phrases: list[tuple[int, int]] = []
    for word in chosen:
        if phrases and word == sum(phrases[-1]):
            phrases[-1] = (phrases[-1][0], phrases[-1][1] + 1)
        else:
            phrases.append((word, 1))
    return sorted(phrases, key=lambda phrase: -float(found[phrase[0] : sum(phrase)].sum()))
