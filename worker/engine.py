"""One model and one priority micro-batcher: the only place that computes.

Items come from every task and job; the compute thread takes the most urgent ones that are ready, a micro-batch at a
time. So batches form across jobs, and an interactive item waits for one micro-batch at the most.
"""

import itertools
import logging
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.model.bundle import Bundle
from shared.model.fusion import Probabilities, fuse
from shared.model.images import Pixels
from shared.model.runtimes import Runtime

log = logging.getLogger(__name__)

URGENT, BULK = 0, 1
_STOP = 2

_MAX_ITEMS = 256
"""Of a micro-batch, where few or none have a picture."""


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One item, ready to compute; at least one of the two is there."""

    words: list[str]
    pixels: Pixels | None


@dataclass(frozen=True, slots=True)
class Answer:
    """Probabilities of shape (classes,): fused, and each branch's own where it had an input."""

    fused: Probabilities
    text: Probabilities | None
    image: Probabilities | None


@dataclass(order=True, slots=True)
class _Request:
    priority: int
    number: int
    item: ModelInput | None = field(compare=False)
    future: "Future[Answer]" = field(compare=False)


class Engine:
    def __init__(self, bundle: Bundle, runtime: Runtime, micro_batch: int) -> None:
        self.bundle = bundle
        self.runtime = runtime
        self._encoder = bundle.text_encoder()
        self._classes = len(bundle.manifest.labels)
        self._micro_batch = micro_batch
        self._requests: queue.PriorityQueue[_Request] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def warm_up(self) -> None:
        """Make the runtime compile what it compiles at its first call."""
        size = self.bundle.manifest.image_size
        pixels = np.full((size, size, 3), 255, np.uint8)
        for future in [self.submit(ModelInput(["a"], pixels), URGENT) for _ in range(self._micro_batch)]:
            future.result()

    def submit(self, item: ModelInput, priority: int = BULK) -> "Future[Answer]":
        future: Future[Answer] = Future()
        self._requests.put(_Request(priority, next(self._numbers), item, future))
        return future

    def close(self) -> None:
        """Compute what was submitted, then end the thread."""
        self._requests.put(_Request(_STOP, next(self._numbers), None, Future()))
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            items = [request.item for request in batch if request.item is not None]
            try:
                answers = self._compute(items)
            except Exception as error:
                log.exception("a micro-batch of %d items failed", len(batch))
                for request in batch:
                    request.future.set_exception(error)
            else:
                for request, answer in zip(batch, answers, strict=True):
                    request.future.set_result(answer)

    def _next_batch(self) -> list[_Request]:
        """The most urgent requests that are there, at least one; empty when the engine is closed.

        All of one priority: an interactive item does not pay for bulk ones that would fill its batch up.
        """
        first = self._requests.get()
        if first.item is None:
            return []
        batch, pictures = [first], int(first.item.pixels is not None)
        while pictures < self._micro_batch and len(batch) < _MAX_ITEMS:
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                break
            if request.item is None or request.priority != first.priority:
                self._requests.put(request)
                break
            batch.append(request)
            pictures += request.item.pixels is not None
        return batch

    def _compute(self, items: list[ModelInput]) -> list[Answer]:
        text = self._branch([bool(item.words) for item in items], lambda rows: self._text(items, rows))
        image = self._branch([item.pixels is not None for item in items], lambda rows: self._image(items, rows))
        verdict = fuse(self.bundle.manifest.fusion, text, image)
        return [
            Answer(fused, None if np.isnan(text[0]) else text, None if np.isnan(image[0]) else image)
            for fused, text, image in zip(verdict.fused, verdict.text, verdict.image, strict=True)
        ]

    def _branch(self, present: list[bool], compute: Any) -> Probabilities:
        """(items, classes), rows of NaN where the branch has no input."""
        answers = np.full((len(present), self._classes), np.nan, np.float32)
        rows = np.flatnonzero(present)
        if len(rows):
            answers[rows] = compute(rows)
        return answers

    def _text(self, items: list[ModelInput], rows: npt.NDArray[np.intp]) -> Probabilities:
        return self.runtime.text(self._encoder.encode([items[row].words for row in rows]))

    def _image(self, items: list[ModelInput], rows: npt.NDArray[np.intp]) -> Probabilities:
        pixels = [pixels for row in rows if (pixels := items[row].pixels) is not None]
        return self.runtime.image(self.runtime.features(np.stack(pixels)))
