"""The feature store: VGG16's features, computed once per picture and weights."""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from shared.code_hash import code_hash
from shared.model.bundle import BACKBONE
from shared.model.images import decode
from shared.model.runtimes import Backbone
from training.pipeline import progress

log = logging.getLogger(__name__)

T = TypeVar("T")

HalfFeatures = npt.NDArray[np.float16]

_SEEING = (
    "shared/model/backbone.py",
    "shared/model/convolutions.py",
    "shared/model/images",
    "shared/model/runtimes",
    "shared/model/weights.py",
    "shared/picture_files",
    "training/vgg16/features.py",
)
"""The code that features depend on; `tests/unit/shared/test_code_hash.py` holds it against the imports."""
_BATCH = 8
_SHARD = 512


class FeatureStore:
    """Features by the sha256 of the picture's bytes, in files that are only ever added."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._features: dict[str, HalfFeatures] = {}
        for shard in sorted(folder.glob("*.npz")):
            with np.load(shard) as arrays:
                self._features.update(zip(arrays["sha256"].tolist(), arrays["features"], strict=True))

    @classmethod
    def of(cls, home: Path, backbone_folder: Path, size: int, computed_in: str) -> "FeatureStore":
        """Return the store in `home` for these weights, input size and arithmetic, and for this code."""
        return cls(home / f"{fingerprint(backbone_folder)[:16]}-{size}-{computed_in}-{code_hash(*_SEEING)[:8]}")

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._features

    def matrix(self, hashes: Iterable[str]) -> HalfFeatures:
        """Return the features in the order of `hashes`, (pictures, features); raise `KeyError` for an unknown one."""
        rows = [self._features[sha256] for sha256 in hashes]
        return np.stack(rows) if rows else np.empty((0, 0), np.float16)

    def add(self, hashes: list[str], features: HalfFeatures) -> None:
        """Write the features to disk; a file that a crash left half written is never read."""
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{uuid4().hex}.npz"  # several trainings may add at once
        unfinished = target.with_suffix(".tmp")
        with unfinished.open("wb") as file:
            np.savez(file, sha256=np.array(hashes), features=features)
        unfinished.rename(target)
        self._features.update(zip(hashes, features, strict=True))


def fingerprint(backbone_folder: Path) -> str:
    """Return the sha256 of the quantised backbone's weights."""
    return hashlib.sha256((backbone_folder / BACKBONE).with_suffix(".bin").read_bytes()).hexdigest()


def compute_missing(
    store: FeatureStore, backbone: Backbone, pictures: Iterable[tuple[str, bytes]], wanted: Iterable[str], size: int
) -> int:
    """Compute the wanted features that the store lacks; returns the number of pictures computed.

    Threads decode pictures while the backbone computes. If nothing is missing, no picture is read.

    Args:
        pictures: Pairs of sha256 and encoded bytes.
        wanted: The sha256 of each picture whose features are needed.
    """
    distinct = set(wanted)
    lacking = {sha256 for sha256 in distinct if sha256 not in store}
    missing = ((sha256, data) for sha256, data in pictures if sha256 in lacking) if lacking else iter(())
    computed = 0
    with (
        ThreadPoolExecutor(2) as threads,
        tqdm(total=len(lacking), desc="VGG16 features", unit="picture", disable=None) as bar,
    ):
        for shard in _chunks(missing, _SHARD):
            hashes = [sha256 for sha256, _ in shard]
            pixels = threads.map(lambda data: decode(data, size), [data for _, data in shard])
            parts = []
            for batch in _chunks(pixels, _BATCH):
                parts.append(backbone.features(np.stack(batch)).astype(np.float16))
                bar.update(len(batch))
                computed += len(batch)
                progress.report("features of pictures", computed, len(lacking))
            store.add(hashes, np.concatenate(parts))
    log.info("features: %d pictures computed, %d kept from before", computed, len(distinct) - computed)
    return computed


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
