"""The items that two models may be compared on, and which of their labels can be trusted.

A challenger's test split has its own labels. If they were wrong, a model that learned the same mistakes would look
better than one that did not. So they are compared with the labels that the champion's training knew: an item decides
only if that training held it out too, with the same label. A label that has changed since is disputed, and its item
counts for neither model; an item that the champion's training did not know can only speak against the challenger.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared.model.known import Identities, KnownItems
from shared.taxonomy import Taxonomy
from training.judge.changed_categories import explained, followed
from training.pipeline.prepared import Items

_NORMAL_95 = 1.96
"""Standard deviations on each side of the mean that hold 95 % of a normal distribution."""


@dataclass(frozen=True)
class HeldOut:
    """Items that neither model has learned from, without those whose label is disputed."""

    items: Items
    confirmed: npt.NDArray[np.bool_]
    """Whether the champion's training held out the item too, with the same label; of shape (items,)."""
    learned: int
    """The number of items of the test split left out because the champion has learned from them."""
    disputed: int
    """The number of items of the test split left out because their label has changed."""
    champion_tells: bool
    """Whether the champion's bundle lists what it learned from; if not, it may have learned from some of the items."""

    @property
    def new(self) -> npt.NDArray[np.bool_]:
        """Whether the champion's training did not know the item, so that nobody but the challenger's labels it."""
        return ~self.confirmed & self.champion_tells


@dataclass(frozen=True)
class Relabelled:
    """The number of items that both trainings know, and of those that now have another label."""

    shared: int
    changed: int

    @property
    def share(self) -> float:
        return self.changed / self.shared if self.shared else 0.0

    @property
    def least(self) -> float:
        """The lower end of the share's 95 % interval (Wilson 1927): four of four changed items prove more than half."""
        if not self.shared:
            return 0.0
        spread = _NORMAL_95**2 / self.shared
        centre, width = self.share + spread / 2, math.sqrt(spread * (self.share * (1 - self.share) + spread / 4))
        return (centre - width) / (1 + spread)


def hold_out(test: Items, champion: KnownItems | None) -> HeldOut:
    """Return the items of the challenger's test split that models may be judged on.

    Args:
        champion: The items that the champion's training knew; `None` if its bundle does not list them, or nothing is in
            service.
    """
    if champion is None:
        return HeldOut(test, np.zeros(len(test), bool), 0, 0, champion_tells=False)
    learned = np.isin(test.identities, champion.identities[champion.learned])
    taxonomy, codes = test.categories.taxonomy, test.categories.codes_of(test.classes)
    before = followed(champion, taxonomy)
    known = np.isin(test.identities, before.identities)
    confirmed = known & _pairs(test.identities, codes).isin(_pairs(before.identities, before.codes))
    unchanged = np.isin(test.identities, _unchanged(KnownItems(test.identities, codes, learned), before, taxonomy))
    disputed = known & ~learned & ~unchanged
    kept = ~learned & ~disputed
    return HeldOut(test.where(kept), confirmed[kept], int(learned.sum()), int(disputed.sum()), champion_tells=True)


def compare_labels(
    challenger: KnownItems, champion: KnownItems, taxonomy: Taxonomy
) -> tuple[Relabelled, dict[str, Relabelled]]:
    """Count changed labels over all splits of both catalogues; then by the label that the champion's training knew.

    An item whose copies have several labels counts as unchanged if one of them is the same. What the taxonomy explains
    is no change: a merge, a retirement, and a label below the one before, where a category was split.
    """
    champion = followed(champion, taxonomy)
    both = np.isin(champion.identities, challenger.identities)
    identities, codes = champion.identities[both], champion.codes[both]
    kept = _unchanged(challenger, champion, taxonomy)
    items = pd.DataFrame({"identity": identities, "code": codes, "changed": ~np.isin(identities, kept)})
    items = items.drop_duplicates("identity")
    by_code = {code: _counted(items["changed"][items["code"] == code]) for code in items["code"].unique().tolist()}
    return _counted(items["changed"]), by_code


def _counted(changed: "pd.Series[bool]") -> Relabelled:
    return Relabelled(shared=len(changed), changed=int(changed.sum()))


def _unchanged(now: KnownItems, before: KnownItems, taxonomy: Taxonomy) -> Identities:
    """Return the items one of whose labels is the one before, or is explained by it."""
    tables = [pd.DataFrame({"identity": known.identities, "code": known.codes}) for known in (before, now)]
    both = tables[0].merge(tables[1], on="identity", suffixes=("_before", "_now"))
    same = explained(both["code_before"], both["code_now"], taxonomy)
    return both.loc[same, "identity"].to_numpy(np.uint64)


def _pairs(identities: Identities, codes: npt.NDArray[np.str_]) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([identities, codes])
