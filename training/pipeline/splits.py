"""Which split an item belongs to: its content decides, not its place.

So it stays where it is when the catalogue grows or comes in another order, its copies stay with it, and what was held
out in one training is held out in the next: a champion and its challenger can be compared on items that neither has
learned from.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from shared.model.known import Identities
from shared.pipeline.params import PreprocessParams

TRAIN, VALIDATION, TEST = "train", "validation", "test"

Splits = npt.NDArray[np.str_]

_BYTES = 8


def identify(texts: Iterable[str], pictures: Iterable[str | None]) -> Identities:
    """A hash per item: of its words in whatever order and number, or of its picture where there is no word.

    A shop's copies of a product differ in their pictures and in the order of words, and a text that was learned is no
    longer unseen because its picture is another: so whoever has the same words is the same item.

    Args:
        texts: normalised words, joined by blanks.
        pictures: sha256 of the picture, a missing value where there is none.
    """
    return np.array([_hash(_content(text, picture)) for text, picture in zip(texts, pictures, strict=True)], np.uint64)


def split(identities: Identities, labels: npt.NDArray[np.int64], params: PreprocessParams) -> Splits:
    """`train`, `validation` or `test` per item, each class near the same shares.

    Each item is drawn by its own hash and the seed. A class of which the draw leaves nothing to learn from gives all
    it has to `train`.
    """
    drawn = np.array([_hash(f"{params.seed}:{identity}") for identity in identities.tolist()], np.uint64) / 2.0**64
    bounds = [drawn < params.test, drawn < params.test + params.validation]
    splits = np.select(bounds, [TEST, VALIDATION], TRAIN)
    for label in np.setdiff1d(labels, labels[splits == TRAIN]):
        splits[np.isin(identities, identities[labels == label])] = TRAIN
    return splits


def _content(text: str, picture: str | None) -> str:
    return " ".join(sorted(set(text.split()))) or f"picture {picture}"


def _hash(content: str) -> int:
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:_BYTES], "big")
