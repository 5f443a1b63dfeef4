"""A cache of VGG16's features of pictures, on the disk of the worker's host.

Features depend on the picture and the backbone, not on the rest of the model: a retrained model that classifies the
whole catalogue again has only its small heads to compute.

The cache is one SQLite file rather than objects in the blob store: a read takes about 20 µs from a warm disk; storing
features costs no request to a store; the limit is one DELETE, where a store would have to be listed; and what is
written together is on disk completely or not at all. The price is that hosts do not share features: with n hosts, up to
n compute a picture. Workers of one host share the file; its folder must be on a local disk, because SQLite's WAL mode
needs memory shared by all processes that use the file.
"""

import hashlib
import logging
import sqlite3
import threading
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import numpy as np

from shared.background import Background
from shared.code_hash import code_hash
from shared.model.bundle import Bundle
from shared.model.runtimes import Features
from worker.classify.caches.feature_file import DamagedError, FeatureFile, open_newest

log = logging.getLogger(__name__)

_SEEING = (
    "shared/model",
    "shared/picture_files",
    "worker/serving/batching.py",
    "worker/classify/caches",
    "worker/serving/engine.py",
    "worker/classify/look.py",
    "worker/classify/pictures.py",
)
"""The code that a picture's features depend on; `tests/unit/shared/test_code_hash.py` holds it against the imports."""
_STORED = np.dtype("<f2")
_LOOK = Struct("<Q")
"""Stands before the features."""

_GATHER_S = 0.5
"""How long features wait for others to be written with them."""
_BATCH = 64
_PENDING = 1024
"""The most features that may wait to be written (4 MB); further ones are not cached."""
_RETRY_S, _CLOSE_S = 5.0, 5.0


def backbone_key(bundle: Bundle, runtime: str) -> bytes:
    """Return 16 bytes that identify everything, apart from the picture, that features depend on.

    Args:
        runtime: The runtime's name; another precision gives other features.
    """
    parts = (code_hash(*_SEEING), runtime, *bundle.backbone)
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).digest()


class SeenPicture(NamedTuple):
    """What is kept of a picture."""

    features: Features
    """(features,)"""
    look: int = 0
    """What it looks like, as `look_of` says it."""


class FeatureCache:
    """A cache for any number of threads and processes; a thread of its own opens and writes the file.

    Args:
        folder: The folder of the file, on a local disk; a damaged file is replaced.
        backbone: The result of `backbone_key`.
        limit: The number of pictures, for all backbones, at 4.6 KB each; the oldest are dropped first. With 0 the cache
            is off and touches no file.
    """

    def __init__(self, folder: Path, backbone: bytes, limit: int) -> None:
        self._folder = folder
        self.backbone = backbone
        self._limit = limit
        self._file: FeatureFile | None = None
        self._least = 0
        """The number of the first file not known to be damaged."""
        self._pending: dict[bytes, bytes] = {}
        self._closing = False
        self._changed = threading.Condition()
        self._background = Background("the cache of features")
        self._thread = threading.Thread(target=self._keep, name="feature-cache", daemon=True)
        if limit:
            self._thread.start()

    def get(self, sha256: str) -> SeenPicture | None:
        """Return what is cached of the picture with this hash; `None` if nothing is."""
        key = self._key(sha256)
        stored = self._pending.get(key) or self._read(key)
        if stored is None:
            return None
        (look,) = _LOOK.unpack_from(stored)
        return SeenPicture(np.frombuffer(stored, _STORED, offset=_LOOK.size).astype(np.float32), look)

    def put(self, sha256: str, picture: SeenPicture) -> None:
        """Cache it: at once for this process, within about a second for others, unless it is killed before."""
        if not self._limit:
            return
        with self._changed:
            if len(self._pending) < _PENDING:
                self._pending[self._key(sha256)] = _LOOK.pack(picture.look) + picture.features.astype(_STORED).tobytes()
                self._changed.notify()

    def close(self) -> None:
        """Write what is pending, if that takes only seconds."""
        if self._limit:
            with self._changed:
                self._closing = True
                self._changed.notify()
            self._thread.join(_CLOSE_S)

    def _key(self, sha256: str) -> bytes:
        return hashlib.blake2b(self.backbone + bytes.fromhex(sha256), digest_size=16).digest()

    def _read(self, key: bytes) -> bytes | None:
        file = self._file
        if file is None:
            return None
        try:
            return file.read(key)
        except DamagedError as error:
            with self._changed:
                self._note_damage(file, error)
                self._changed.notify()
        except sqlite3.Error as error:
            log.warning("cached features cannot be read: %s", error)
        return None

    def _keep(self) -> None:
        """Run the thread: open the file, and write until the cache is closed."""
        while True:
            usable = False
            with self._background.turn():
                usable = self._flush()
            with self._changed:
                if self._closing and (not usable or not self._pending):
                    break
                if not usable:
                    self._changed.wait_for(lambda: self._closing, _RETRY_S)
                    continue
                self._changed.wait_for(lambda: self._closing or self._pending or self._is_damaged())
                self._changed.wait_for(lambda: self._closing or len(self._pending) >= _BATCH, _GATHER_S)
        self._close_file()

    def _flush(self) -> bool:
        """Write up to one batch; returns whether the file can be used."""
        if self._is_damaged():
            self._close_file()
        with self._changed:
            rows = list(self._pending.items())[:_BATCH]
        try:
            if self._file is None:
                self._file = open_newest(self._folder, self._least)
            if rows:
                self._file.write(rows, self._limit)
        except DamagedError as error:
            self._note_damage(self._file, error)
        except (sqlite3.Error, OSError) as error:
            log.warning("features cannot be cached in %s: %s", self._folder, error)
        else:
            with self._changed:
                for key, _ in rows:
                    del self._pending[key]
            return True
        self._close_file()
        return False

    def _is_damaged(self) -> bool:
        return self._file is not None and self._file.number < self._least

    def _note_damage(self, file: FeatureFile | None, error: DamagedError) -> None:
        log.warning("cached features in %s are damaged and discarded: %s", self._folder, error)
        if file is not None:
            self._least = max(self._least, file.number + 1)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
