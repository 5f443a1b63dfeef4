"""From one model to the next while work goes on: the new one is made ready beside the old one, which then goes.

New chunks go to the new model at once, those in hand end with the old one. So a job that runs meanwhile has answers of
both; its record counts them per bundle.
"""

import ctypes
import gc
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from shared.model import golden, runtimes
from shared.model.bundle import Bundle
from shared.settings import Settings
from worker.classify.classification import Classifier
from worker.serving.engine import Engine

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 1 << 22
"""Bytes; most pictures are less."""


def make_ready(bundle: Bundle, settings: Settings, beside: Engine | None = None) -> tuple[Engine, str]:
    """An engine that has answered, and why it runs on what it runs on, for people.

    Args:
        beside: What serves meanwhile.

    Raises:
        BundleError: it does not answer as it did where it was made.
        ValueError, ImportError: it cannot run here.
    """
    runtime, reason = runtimes.choose(bundle, settings.runtime)
    engine = Engine(bundle, runtime, settings.micro_batch)
    try:
        engine.warm_up(like=beside if beside and _computes_like(engine, beside) else None)
        golden.verify(bundle, runtime)
    except BaseException:
        engine.close()
        raise
    return engine, reason


def keep_weights_apart() -> None:
    """From now on malloc gives whatever is as large as weights pages of its own, which go back whole when it is freed.

    By itself it stops doing so once such a block was freed: weights then lie among what lives longer, and leave holes.
    """
    with suppress(AttributeError):  # glibc has it, others do not
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def give_memory_back() -> None:
    """What a model has left: Python's cycles, and what malloc keeps for itself."""
    gc.collect()
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class ModelSlot:
    """Who classifies at this moment."""

    def __init__(self) -> None:
        self._holder: Classifier | None = None
        self._at_work: Counter[Classifier] = Counter()
        self._changed = threading.Condition()

    @contextmanager
    def in_use(self) -> Iterator[Classifier | None]:
        """The classifier for one chunk, which lives until the chunk is done; `None` where no model is served."""
        with self._changed:
            holder = self._holder
            if holder is not None:
                self._at_work[holder] += 1
        try:
            yield holder
        finally:
            if holder is not None:
                with self._changed:
                    self._at_work[holder] -= 1
                    self._changed.notify_all()

    def hand_over(self, classifier: Classifier) -> None:
        """From now on this one is given chunks; returns once the one before has done those that it had in hand."""
        with self._changed:
            before, self._holder = self._holder, classifier
            if before is not None:
                self._changed.wait_for(lambda: not self._at_work[before])
                del self._at_work[before]


def _computes_like(engine: Engine, other: Engine) -> bool:
    """Whether both run the same backbone on the same runtime."""
    return engine.runtime.name == other.runtime.name and engine.bundle.has_same_backbone(other.bundle)
