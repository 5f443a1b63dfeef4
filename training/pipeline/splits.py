"""The split that an item belongs to, which depends on its content and not on its place.

So an item keeps its split when the catalogue grows or is reordered, its copies share the split, and what one training
held out the next holds out too: champion and challenger can be compared on items that neither has learned from.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared.model.known import Identities
from shared.pipeline.params import PreprocessParams

TRAIN, VALIDATION, TEST = "train", "validation", "test"

Splits = npt.NDArray[np.str_]

_BYTES = 8
_ENOUGH = 5
"""The number of different items of a class from which one is held out whatever its hash is."""


def identify(texts: Iterable[str], pictures: Iterable[str | None]) -> Identities:
    """Return a hash per item: of the set of its words, or of its picture if it has no word.

    A shop's copies of a product differ in their pictures and in the order of words, and a learned text with another
    picture is not new. So items with the same words count as one.

    Args:
        texts: Normalised words, joined by blanks.
        pictures: The sha256 of each picture, a missing value where there is none.
    """
    return np.array([_hash(_content(text, picture)) for text, picture in zip(texts, pictures, strict=True)], np.uint64)


def split(identities: Identities, labels: npt.NDArray[Any], params: PreprocessParams) -> Splits:
    """Return `train`, `validation` or `test` per item; each class has about the same shares.

    An item's hash and the seed decide. A class with at least `_ENOUGH` items has one in `test`, the one whose hash is
    the smallest: so every such class is measured. A class of which nothing would be left to learn from is in `train` as
    a whole.
    """
    drawn = np.array([_hash(f"{params.seed}:{identity}") for identity in identities.tolist()], np.uint64) / 2.0**64
    bounds = [drawn < params.test, drawn < params.test + params.validation]
    splits = np.select(bounds, [TEST, VALIDATION], TRAIN)
    splits[np.isin(identities, _one_of_each(identities, labels, drawn))] = TEST
    for label in np.setdiff1d(labels, labels[splits == TRAIN]):
        splits[np.isin(identities, identities[labels == label])] = TRAIN
    return splits


def _one_of_each(identities: Identities, labels: npt.NDArray[Any], drawn: npt.NDArray[np.float64]) -> Identities:
    """Return the item with the smallest hash of each class with enough items."""
    distinct = pd.DataFrame({"identity": identities, "label": labels, "drawn": drawn}).drop_duplicates(
        ["identity", "label"]
    )
    of_class = distinct.groupby("label")["drawn"]
    enough = of_class.transform("size") >= _ENOUGH
    return distinct.loc[enough & (distinct["drawn"] == of_class.transform("min")), "identity"].to_numpy(np.uint64)


def _content(text: str, picture: str | None) -> str:
    return " ".join(sorted(set(text.split()))) or f"picture {picture}"


def _hash(content: str) -> int:
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:_BYTES], "big")
