"""One model and one priority micro-batcher: the only place that computes.

Inputs come from every task and job; the compute thread takes the most urgent ones that are ready, a micro-batch at a
time. So batches form across jobs, and an interactive item waits for one micro-batch at the most.
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
from worker import metrics
from worker.serving.batching import EngineRequest, Kind, Priority, RequestQueue

log = logging.getLogger(__name__)

MAX_TEXTS = 256
"""Of a micro-batch, and of known features: milliseconds of work."""
_MICRO_BATCHES = (1, 2, 4, 8, 16, 32, 64)
"""Sizes that are tried."""
_LONGEST_MICRO_BATCH_S = 0.25
"""What an interactive item may have to wait for at a micro-batch that has begun."""
_WORTH_WHILE = 1.05
"""A micro-batch of twice the size must be so many times as fast per picture."""
_WAITING = 1024
"""Inputs of one priority."""


@dataclass(frozen=True, slots=True)
class ImageAnswers:
    """What the image branch says of pictures, and the VGG16 features that it says it of, in float16's precision."""

    probabilities: Probabilities
    """(pictures, classes)"""
    features: Features
    """(pictures, features)"""

    def __getitem__(self, rows: slice) -> "ImageAnswers":
        return ImageAnswers(self.probabilities[rows], self.features[rows])


class Engine:
    """Args: micro_batch: pictures computed together; `None`: what `warm_up` finds to be fastest, 1 before."""

    def __init__(self, bundle: Bundle, runtime: Runtime, micro_batch: int | None = None) -> None:
        self.bundle = bundle
        self.runtime = runtime
        self.encoder = bundle.text_encoder()
        self._sizes = _MICRO_BATCHES if micro_batch is None else (micro_batch,)
        self.micro_batch = self._sizes[0]
        self.pictures_per_s: float | None = None
        """As measured by `warm_up`, decoding excluded."""
        self._requests = RequestQueue(_WAITING)
        self._computing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def warm_up(self, like: "Engine | None" = None) -> None:
        """Make the runtime compile what it compiles at its first calls, and measure the size of a micro-batch.

        Args:
            like: One that is at work beside it on the same backbone: what was found for that one holds here as well,
                while a measurement would be the two's together.
        """
        with self._computing:
            self.runtime.text(pad([self.encoder.ids(["a"])]))
            if like is None:
                self._measure()
            else:
                self.micro_batch, self.pictures_per_s = like.micro_batch, like.pictures_per_s
                self.runtime.image(self.runtime.features(self._noise(self.micro_batch)))

    def texts(self, texts: Sequence[TokenIds], priority: Priority = Priority.BULK) -> "Future[Probabilities]":
        """Token ids as `encoder.ids` gives them to (texts, classes)."""
        return self._put(EngineRequest(Kind.TEXT, priority, texts))

    def pictures(self, pixels: Sequence[Pixels], priority: Priority = Priority.BULK) -> "Future[ImageAnswers]":
        """Each (size, size, 3)."""
        return self._put(EngineRequest(Kind.PICTURE, priority, pixels))

    def known_pictures(
        self, features: Sequence[Features], priority: Priority = Priority.BULK
    ) -> "Future[ImageAnswers]":
        """The same for pictures whose features, each (features,), were computed before."""
        return self._put(EngineRequest(Kind.FEATURES, priority, features))

    def close(self) -> None:
        """Compute what was submitted, then end the thread."""
        self._requests.close()
        self._thread.join()

    def _measure(self) -> None:
        """Sizes are doubled for as long as that makes each picture cheaper, and a micro-batch stays short."""
        for size in self._sizes:
            seconds = image_seconds(self.runtime, self._noise(size))
            if self.pictures_per_s is not None and size / seconds < self.pictures_per_s * _WORTH_WHILE:
                break
            self.micro_batch, self.pictures_per_s = size, size / seconds
            if 2 * seconds > _LONGEST_MICRO_BATCH_S:
                break

    def _noise(self, pictures: int) -> Pixels:
        side = self.bundle.manifest.image_size
        return np.random.default_rng(0).integers(0, 256, (pictures, side, side, 3), np.uint8)

    def _put(self, request: EngineRequest) -> "Future[Any]":
        self._requests.put(request)
        metrics.submitted(request)
        return request.future

    def _run(self) -> None:
        while batch := self._requests.take(self._limits()):
            metrics.taken(batch)
            inputs = [one for request in batch for one in request.inputs]
            try:
                with self._computing, metrics.computing(batch[0].kind, len(inputs)):
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
        """Texts of like length together: an LSTM works through the padding too."""
        answers = np.empty((len(texts), len(self.bundle.manifest.labels)), np.float32)
        for rows in by_length(texts):
            answers[rows] = self.runtime.text(pad([texts[row] for row in rows]))
        return answers

    def _images(self, features: Features) -> ImageAnswers:
        """Rounded to what training has seen and caches keep, so that an answer is the same with a cache and without."""
        rounded = features.astype(np.float16).astype(np.float32)
        return ImageAnswers(self.runtime.image(rounded), rounded)
