"""What a change of the taxonomy explains: labels and answers of an earlier training, in today's categories.

A label whose category was merged into another follows it, and one of a retired category says nothing any more. Where a
category was split, a label below it is no other label than that of the whole category.
"""

from collections.abc import Iterable
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from shared.model.bundle import Bundle
from shared.model.known import KnownItems
from shared.model.projection import Projection
from shared.taxonomy import Taxonomy
from training.pipeline.categories import Categories


def followed(known: KnownItems, taxonomy: Taxonomy) -> KnownItems:
    """Return the items that a training knew under today's codes, without those of retired categories."""
    distinct, of_row = np.unique(known.codes, return_inverse=True)
    successors = [taxonomy.successor(code) for code in distinct.tolist()]
    kept = np.array([code is not None for code in successors], bool)[of_row]
    codes = np.array([code or "" for code in successors], np.str_)[of_row]
    return KnownItems(known.identities[kept], codes[kept], known.learned[kept])


def explained(before: Iterable[str], now: Iterable[str], taxonomy: Taxonomy) -> npt.NDArray[np.bool_]:
    """Return for each pair of codes whether the second is the first, or lies below it in the tree."""
    lies_in = cache(partial(_lies_in, taxonomy))  # there are far fewer pairs of categories than items
    return np.array([lies_in(*pair) for pair in zip(before, now, strict=True)], bool)


def unknown_to(champion: Bundle, categories: Categories) -> npt.NDArray[np.bool_]:
    """Return for each class whether the champion cannot answer it, also by what was merged into it."""
    answered = set(Projection(champion.codes, categories.taxonomy).codes)
    return np.array([code not in answered for code in categories.codes], bool)


def _lies_in(taxonomy: Taxonomy, before: str, now: str) -> bool:
    if before == now:
        return True
    return now in taxonomy.by_code and any(category.code == before for category in taxonomy.path(now))
