"""Puts features into a cache, as one of several processes; started as one of its own.

Arguments: the folder, the first picture, the picture behind the last, and one more that another process puts: it is
waited for.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np

from shared.model.runtimes import Features
from tests.waiting import wait_for
from worker.classify.caches import FeatureCache, SeenPicture

BACKBONE = b"a backbone's key"
LIMIT = 20_000


def name(picture: int) -> str:
    return hashlib.sha256(str(picture).encode()).hexdigest()


def features(picture: int) -> Features:
    """In float16's precision, so that they come out of a cache as they went in."""
    return np.random.default_rng(picture).random(2048, np.float32).astype(np.float16).astype(np.float32)


def main(folder: Path, first: int, end: int, awaited: int) -> None:
    cache = FeatureCache(folder, BACKBONE, LIMIT)
    for picture in range(first, end):
        cache.put(name(picture), SeenPicture(features(picture), picture << 40))
    wait_for("the other process's picture", lambda: cache.get(name(awaited)) is not None)
    cache.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(argument) for argument in sys.argv[2:]))
