"""Duplicates in a catalogue: equal and similar texts, equal and similar pictures.

Nothing is sampled: every pair within the threshold is found, and the same input gives the same pairs. Candidates come
from an index, so the work grows with the number of similar pairs and not with the square of the catalogue.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import islice
from math import ceil
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import sparse
from scipy.fft import dctn
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from shared.model.images import decode
from training.catalogue.pictures import ROW_GROUP, iter_pictures

NEAR_TEXT = Fraction(4, 5)
"""The least Jaccard similarity of two similar texts' words; a fraction, so that no rounding loses a pair."""
NEAR_PICTURE = 16
"""The bits of two similar pictures' perceptual hashes, out of 255, that may differ."""
ALONE = -1

BLOCK = 1024  # rows of the index that are joined at once
PAIRS = 1 << 18  # candidates that are compared at once
THUMBNAIL, FREQUENCIES = 32, 16  # pixels and frequencies of the perceptual hash, per side

Pairs = npt.NDArray[np.int64]
"""Positions in the catalogue, of shape (pairs, 2)."""
Groups = npt.NDArray[np.int64]
"""The position of the group's first member for each row of the catalogue, or `ALONE`."""
Hash = npt.NDArray[np.bool_]
Key = TypeVar("Key", bound=Hashable)


def same(keys: Iterable[Hashable | None]) -> Pairs:
    """Pair each row with the first row of the same key, if that is an earlier one; None is no key."""
    first: dict[Hashable, int] = {}
    known = ((first.setdefault(key, row), row) for row, key in enumerate(keys) if key is not None)
    return _pairs([pair for pair in known if pair[0] != pair[1]])


def similar_texts(texts: Sequence[Sequence[str]], threshold: Fraction = NEAR_TEXT) -> Pairs:
    """Return every pair of different texts whose words have at least this Jaccard similarity; texts have words.

    Of equal texts only the first row is compared. The index holds the rarest words of each text, one more than two
    similar texts can differ in: so two similar texts have one of them in common.
    """
    first = _first_rows(tuple(text) or None for text in texts)
    frequency = Counter(word for text in first for word in set(text))
    rank = {word: place for place, word in enumerate(sorted(frequency, key=lambda word: (frequency[word], word)))}
    ranked = [sorted(rank[word] for word in set(text)) for text in first]
    sizes = np.array([len(text) for text in ranked], np.int64)
    words = _incidence(ranked, len(rank))
    rarest = _incidence([text[: len(text) - ceil(threshold * len(text)) + 1] for text in ranked], len(rank))

    found = []
    for one, other in _sharing(rarest, "text"):
        smaller, larger = np.minimum(sizes[one], sizes[other]), np.maximum(sizes[one], sizes[other])
        possible = smaller * threshold.denominator >= larger * threshold.numerator  # saves most of the work below
        one, other = one[possible], other[possible]
        common = words[one].multiply(words[other]).sum(axis=1)
        union = sizes[one] + sizes[other] - common
        found.append(np.stack([one, other], axis=1)[common * threshold.denominator >= union * threshold.numerator])
    return _in_rows(found, first.values())


def similar_pictures(pictures: Sequence[str | None], hashes: Mapping[str, Hash], distance: int = NEAR_PICTURE) -> Pairs:
    """Return every pair of different pictures whose hashes (by sha256) differ in at most `distance` bits.

    Of equal pictures only the first row is compared. The index holds each hash in `distance` + 1 bands: two hashes
    with fewer differences than bands have one band in common.
    """
    first = _first_rows(pictures)
    if not first:
        return _pairs([])
    bits = np.stack([hashes[sha256] for sha256 in first])
    bands = distance + 1
    # A band takes bits at regular distances, because neighbouring frequencies are alike.
    keys = [np.unique(bits[:, band::bands], axis=0, return_inverse=True)[1].ravel() for band in range(bands)]
    starts = np.cumsum([0, *(key.max() + 1 for key in keys)])
    index = _incidence((np.stack(keys, axis=1) + starts[:-1]).tolist(), starts[-1])

    packed = np.packbits(bits, axis=1)
    found = []
    for one, other in _sharing(index, "picture"):
        differing = np.bitwise_count(packed[one] ^ packed[other]).sum(axis=1)
        found.append(np.stack([one, other], axis=1)[differing <= distance])
    return _in_rows(found, first.values())


def perceptual_hash(data: bytes) -> Hash:
    """Return 255 bits, which low frequencies are strong; another size or compression hardly changes them.

    Raises `UnreadableImageError`. (A difference hash does not work here: because product pictures have a white ground,
    most of its bits are equal for all of them.)
    """
    grey = np.asarray(Image.fromarray(decode(data, THUMBNAIL)).convert("L"), np.float64)
    # Without the first frequency, which is the brightness. Rounded, so that a blank picture has no noise to compare.
    strengths = dctn(grey, norm="ortho")[:FREQUENCIES, :FREQUENCIES].ravel()[1:].round(3)
    bits: Hash = strengths > np.median(strengths)
    return bits


def hash_pictures(path: Path, count: int) -> dict[str, Hash]:
    """Return the perceptual hash of each of the `count` pictures of pictures.parquet, by sha256."""
    hashes: dict[str, Hash] = {}
    pictures = iter_pictures(path)
    with ThreadPoolExecutor() as pool, tqdm(desc="hash pictures", total=count, unit="picture", disable=None) as bar:
        while batch := dict(islice(pictures, ROW_GROUP)):
            hashes.update(zip(batch, pool.map(perceptual_hash, batch.values()), strict=True))
            bar.update(len(batch))
    return hashes


def group(count: int, pairs: Pairs, copies: Pairs | None = None) -> Groups:
    """Return the groups that `pairs` make of `count` rows, directly or through others; `copies` only join groups."""
    links = pairs if copies is None else np.concatenate([pairs, copies])
    graph = sparse.coo_array((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(count, count))
    component = connected_components(graph, directed=False)[1]
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    groups = first[inverse].astype(np.int64)
    groups[~np.isin(groups, groups[pairs[:, 0]])] = ALONE
    return groups


def _first_rows(keys: Iterable[Key | None]) -> dict[Key, int]:
    rows: dict[Key, int] = {}
    for row, key in enumerate(keys):
        if key is not None:
            rows.setdefault(key, row)
    return rows


def _incidence(rows: Sequence[Sequence[int]], columns: int) -> sparse.csr_array:
    """Return a matrix with ones in the columns that each row names."""
    ends = np.cumsum([0, *map(len, rows)])
    places = np.fromiter((column for row in rows for column in row), np.int64, ends[-1])
    return sparse.csr_array((np.ones(ends[-1], np.int32), places, ends), shape=(len(rows), columns))


def _sharing(index: sparse.csr_array, unit: str) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield the pairs of rows with a column in common, the lower row first, some at a time to bound the memory."""
    columns = index.T.tocsr()
    with tqdm(desc=f"compare {unit}s", total=index.shape[0], unit=unit, disable=None) as bar:
        for start in range(0, index.shape[0], BLOCK):
            block = index[start : start + BLOCK]
            shared = sparse.triu(block @ columns, k=start + 1).tocoo()
            one, other = shared.row.astype(np.int64) + start, shared.col.astype(np.int64)
            for part in range(0, len(one), PAIRS):
                yield one[part : part + PAIRS], other[part : part + PAIRS]
            bar.update(block.shape[0])


def _in_rows(found: Sequence[Pairs], rows: Iterable[int]) -> Pairs:
    """Turn pairs of distinct values into pairs of the rows where they first occur."""
    return np.array(list(rows), np.int64)[np.concatenate(found)] if found else _pairs([])


def _pairs(pairs: list[tuple[int, int]]) -> Pairs:
    return np.array(pairs, np.int64).reshape(-1, 2)
