"""VGG16's features of pictures, on the disk of the worker's host.

They belong to the picture and the backbone, not to the model: a retrained model that is asked about the whole catalogue
again has only its small heads to compute.

One SQLite file rather than objects in the blob store: a read takes about 20 µs from a warm disk, wherever the pictures
are; a picture computed costs no request to a store; the bound is one DELETE where a store would have to be listed; and
what is written together is on disk whole or not at all. The price is that hosts do not share what they know: with n of
them, up to n compute a picture before all know it. Workers of one host share the file; the folder must be on a local
disk, because SQLite's WAL mode needs memory that all who use the file share.
"""

import hashlib
import logging
import sqlite3
import threading
from pathlib import Path

import numpy as np

from shared.model.bundle import Bundle
from shared.model.runtimes import Features
from worker.classify.caches.code import code_hash
from worker.classify.caches.feature_file import DamagedError, FeatureFile, open_newest

log = logging.getLogger(__name__)

_SEEING = (
    "shared/model",
    "worker/serving/batching.py",
    "worker/classify/caches",
    "worker/serving/engine.py",
    "worker/classify/pictures.py",
)
"""The code that a picture's features depend on; `tests/unit/worker/test_code_hash.py` holds it against the imports."""
_KEPT = np.dtype("<f2")

_GATHER_S = 0.5
"""How long a picture's features wait for others, to be written with them."""
_BATCH = 64
_PENDING = 1024
"""What waits to be written: 4 MB. While there are so many, further ones are not kept."""
_RETRY_S, _CLOSE_S = 5.0, 5.0


def backbone_key(bundle: Bundle, runtime: str) -> bytes:
    """Names everything, beside the picture, that its features depend on: 16 bytes.

    Args:
        runtime: Its name; another precision gives other features.
    """
    parts = (code_hash(*_SEEING), runtime, *bundle.backbone)
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).digest()


class FeatureCache:
    """Used by any number of threads and processes at once; files are opened and written by a thread of its own.

    Args:
        folder: Where the file is, on a local disk; a damaged one is discarded and begun anew.
        backbone: As `backbone_key` gives it.
        limit: Pictures whose features are kept, of all backbones, 4.6 KB each; the oldest go first. 0: the cache is
            off, and touches no file.
    """

    def __init__(self, folder: Path, backbone: bytes, limit: int) -> None:
        self._folder = folder
        self.backbone = backbone
        self._limit = limit
        self._file: FeatureFile | None = None
        self._least = 0
        """The number of the first file that is not known to be damaged."""
        self._pending: dict[bytes, bytes] = {}
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._keep, name="feature-cache", daemon=True)
        if limit:
            self._thread.start()

    def get(self, sha256: str) -> Features | None:
        """(features,) in float16's precision, of the picture with this hash; `None` where they are not known."""
        key = self._key(sha256)
        kept = self._pending.get(key) or self._read(key)
        return None if kept is None else np.frombuffer(kept, _KEPT).astype(np.float32)

    def put(self, sha256: str, features: Features) -> None:
        """Known at once to this process, to others within a second or so; lost if the process is killed before."""
        if not self._limit:
            return
        with self._changed:
            if len(self._pending) < _PENDING:
                self._pending[self._key(sha256)] = features.astype(_KEPT).tobytes()
                self._changed.notify()

    def close(self) -> None:
        """Write what is to be written, if that can be done in seconds."""
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
        """The thread: open the file, and write until the cache is closed."""
        while True:
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
        """Write up to a batch; whether the file can be used."""
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
