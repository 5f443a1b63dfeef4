"""Which items two models may be compared on, and whose labels can be believed.

A challenger's test split has its own labels. Were these wrong, a model that has learned the same mistakes would look
better than one that has not. So they are held against what the champion's training knew of the same items: where a
label has changed since, it is disputed, and the item counts for nobody.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared.model.known import Identities, KnownItems
from shared.taxonomy import CODES
from training.pipeline.prepared import Items


@dataclass(frozen=True)
class HeldOut:
    """Items that neither model has learned from, but for those whose label is disputed."""

    items: Items
    confirmed: npt.NDArray[np.bool_]
    """Of each item whether the champion's training held it out too, under the same label."""
    learned: int
    """Items of the test split that were left out, because the champion has learned from them."""
    disputed: int
    """And those that were left out, because their label has changed."""
    champion_tells: bool
    """Whether the champion's bundle says what it has learned. Where it does not, it may have seen some of the items."""


@dataclass(frozen=True)
class Relabelled:
    """Items that both trainings know, and how many of them have another label now."""

    shared: int
    changed: int

    @property
    def share(self) -> float:
        return self.changed / self.shared if self.shared else 0.0


def hold_out(test: Items, champion: KnownItems | None) -> HeldOut:
    """The items of the challenger's test split that may be judged on.

    Args:
        champion: what the champion's training knew; `None` where its bundle does not tell, or nothing is in service.
    """
    if champion is None:
        return HeldOut(test, np.zeros(len(test), bool), 0, 0, champion_tells=False)
    learned = np.isin(test.identities, champion.identities[champion.learned])
    known = np.isin(test.identities, champion.identities)
    confirmed = known & _pairs(test.identities, np.array(CODES)[test.classes]).isin(_of(champion))
    disputed = known & ~learned & ~confirmed
    kept = ~learned & ~disputed
    return HeldOut(test.where(kept), confirmed[kept], int(learned.sum()), int(disputed.sum()), champion_tells=True)


def compare_labels(challenger: KnownItems, champion: KnownItems) -> tuple[Relabelled, dict[int, Relabelled]]:
    """Over both catalogues, all splits; then by the label that the champion's training knew.

    An item whose copies have several labels keeps its own as long as one of them is the same.
    """
    both = np.isin(champion.identities, challenger.identities)
    identities, codes = champion.identities[both], champion.codes[both]
    kept = identities[_pairs(identities, codes).isin(_of(challenger))]
    items = pd.DataFrame({"identity": identities, "code": codes, "changed": ~np.isin(identities, kept)})
    items = items.drop_duplicates("identity")
    by_code = {code: _counted(items["changed"][items["code"] == code]) for code in items["code"].unique().tolist()}
    return _counted(items["changed"]), by_code


def _counted(changed: "pd.Series[bool]") -> Relabelled:
    return Relabelled(shared=len(changed), changed=int(changed.sum()))


def _of(known: KnownItems) -> pd.MultiIndex:
    return _pairs(known.identities, known.codes)


def _pairs(identities: Identities, codes: npt.NDArray[np.int64]) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([identities, codes])
