"""The engine owns the model: one thread computes, in micro-batches by priority.

Inputs come from all jobs at once; the thread takes the most urgent ones, one micro-batch at a time. So batches form
across jobs, and an interactive item waits for one micro-batch at most.
"""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.model.bundle import Bundle
from shared.model.fusion import Probabilities
from shared.model.images import Pixels
from shared.model.runtimes import Features, Runtime, image_seconds
from shared.model.text import TokenIds, by_length, pad
from worker.serving import engine_metrics
from worker.serving.batching import EngineRequest, Kind, Priority, RequestQueue

log = logging.getLogger(__name__)

MAX_TEXTS = 256
"""The largest micro-batch of texts, and of pictures with known features: milliseconds of work."""
_MICRO_BATCHES = (1, 2, 4, 8, 16, 32, 64)
"""Sizes to try."""
_LONG_ENOUGH_S = 0.04
"""A micro-batch of so many seconds is not doubled: the few milliseconds that a call costs beside its arithmetic no
longer matter, while an interactive item may have to wait for it."""
_WORTH_WHILE = 1.05
"""The speed-up per picture that justifies a micro-batch of twice the size."""
_WAITING = 1024
"""The most inputs of one priority that may wait."""


@dataclass(frozen=True, slots=True)
class ImageAnswers:
    """The image branch's answers for pictures, and the VGG16 features behind them, in float16's precision."""

    probabilities: Probabilities
    """(pictures, classes)"""
    features: Features
    """(pictures, features)"""

    def __getitem__(self, rows: slice) -> "ImageAnswers":
        return ImageAnswers(self.probabilities[rows], self.features[rows])


class Engine:
    """A model that computes in a thread of its own.

    Args:
        micro_batch: Pictures computed together; `None` for the size that `warm_up` finds to be fastest (1 until then).
    """

    def __init__(self, bundle: Bundle, runtime: Runtime, micro_batch: int | None = None) -> None:
        self.bundle = bundle
        self.runtime = runtime
        self.encoder = bundle.text_encoder()
        self._sizes = _MICRO_BATCHES if micro_batch is None else (micro_batch,)
        self.micro_batch = self._sizes[0]
        self.pictures_per_s: float | None = None
        """Measured by `warm_up`, without decoding."""
        self._requests = RequestQueue(_WAITING)
        self._computing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def warm_up(self, like: "Engine | None" = None) -> None:
        """Let the runtime compile what it compiles on first use, and measure the best size of a micro-batch.

        Args:
            like: An engine that is at work on the same backbone. Its measurements are taken over, because measuring
                beside it would measure both together.
        """
        with self._computing:
            self.runtime.text(pad([self.encoder.ids(["a"])]))
            if like is None:
                self._measure()
            else:
                self.micro_batch, self.pictures_per_s = like.micro_batch, like.pictures_per_s
                self.runtime.image(self.runtime.features(self._noise(self.micro_batch)))

    def texts(self, texts: Sequence[TokenIds], priority: Priority = Priority.BULK) -> "Future[Probabilities]":
        """Submit token ids from `encoder.ids`; the answer has shape (texts, classes)."""
        return self._put(EngineRequest(Kind.TEXT, priority, texts))

    def pictures(self, pixels: Sequence[Pixels], priority: Priority = Priority.BULK) -> "Future[ImageAnswers]":
        """Submit pictures, each of shape (size, size, 3)."""
        return self._put(EngineRequest(Kind.PICTURE, priority, pixels))

    def known_pictures(
        self, features: Sequence[Features], priority: Priority = Priority.BULK
    ) -> "Future[ImageAnswers]":
        """Submit pictures by the features computed earlier, each of shape (features,)."""
        return self._put(EngineRequest(Kind.FEATURES, priority, features))

    def close(self) -> None:
        """Compute what has been submitted, then end the thread."""
        self._requests.close()
        self._thread.join()

    def _measure(self) -> None:
        """Double the size for as long as each picture becomes cheaper, up to a micro-batch that is long enough."""
        for size in self._sizes:
            seconds = image_seconds(self.runtime, self._noise(size))
            if self.pictures_per_s is not None and size / seconds < self.pictures_per_s * _WORTH_WHILE:
                break
            self.micro_batch, self.pictures_per_s = size, size / seconds
            if seconds > _LONG_ENOUGH_S:
                break

    def _noise(self, pictures: int) -> Pixels:
        side = self.bundle.manifest.image_size
        return np.random.default_rng(0).integers(0, 256, (pictures, side, side, 3), np.uint8)

    def _put(self, request: EngineRequest) -> "Future[Any]":
        self._requests.put(request)
        engine_metrics.submitted(request)
        return request.future

    def _run(self) -> None:
        while batch := self._requests.take(self._limits()):
            engine_metrics.taken(batch)
            inputs = [one for request in batch for one in request.inputs]
            try:
                with self._computing, engine_metrics.computing(batch[0].kind, len(inputs)):
                    answers = self._compute(batch[0].kind, inputs)
            except Exception as error:
                log.exception("a micro-batch of %d failed", len(inputs))
                for request in batch:
                    request.future.set_exception(error)
                continue
            start = 0
            for request in batch:
                end = start + len(request.inputs)
                request.future.set_result(answers[start:end])
                start = end

    def _limits(self) -> dict[Kind, int]:
        return {Kind.TEXT: MAX_TEXTS, Kind.PICTURE: self.micro_batch, Kind.FEATURES: MAX_TEXTS}

    def _compute(self, kind: Kind, inputs: list[Any]) -> "Probabilities | ImageAnswers":
        match kind:
            case Kind.TEXT:
                return self._texts(inputs)
            case Kind.PICTURE:
                return self._images(self.runtime.features(np.stack(inputs)))
            case Kind.FEATURES:
                return self._images(np.stack(inputs))

    def _texts(self, texts: list[TokenIds]) -> Probabilities:
        """Compute texts of similar length together, because an LSTM works through the padding too."""
        answers = np.empty((len(texts), len(self.bundle.manifest.labels)), np.float32)
        for rows in by_length(texts):
            answers[rows] = self.runtime.text(pad([texts[row] for row in rows]))
        return answers

    def _images(self, features: Features) -> ImageAnswers:
        """Round features as in training and in the caches, so that answers are the same with and without a cache."""
        rounded = features.astype(np.float16).astype(np.float32)
        return ImageAnswers(self.runtime.image(rounded), rounded)
