"""Holds the classifier in service, and hands over to the next one while work goes on.

New chunks go to the new classifier at once, chunks already begun end with the old one. So a job that runs meanwhile has
answers from both; its record counts them per bundle.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from worker.classify.classification import Classifier


class ModelSlot:
    """The classifier in service; empty until the first `hand_over`."""

    def __init__(self) -> None:
        self._current: Classifier | None = None
        self._chunks: Counter[Classifier] = Counter()
        """The number of chunks that each classifier is working on."""
        self._changed = threading.Condition()

    @contextmanager
    def in_use(self) -> Iterator[Classifier | None]:
        """Give the classifier for one chunk, and keep it alive until the chunk is done; `None` if there is none."""
        with self._changed:
            classifier = self._current
            if classifier is not None:
                self._chunks[classifier] += 1
        try:
            yield classifier
        finally:
            if classifier is not None:
                with self._changed:
                    self._chunks[classifier] -= 1
                    self._changed.notify_all()

    def hand_over(self, classifier: Classifier) -> None:
        """Use this classifier from now on; returns once the previous one has finished its chunks."""
        with self._changed:
            previous, self._current = self._current, classifier
            if previous is not None:
                self._changed.wait_for(lambda: not self._chunks[previous])
                del self._chunks[previous]
