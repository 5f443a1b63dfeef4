"""Submits the pictures of items to the engine's image branch."""

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from shared.ledger import QueuedItem
from shared.model.images import UnreadableImageError, check, decode
from worker.classify.caches import FeatureCache, SeenPicture
from worker.classify.look import look_of
from worker.classify.picture_source import PictureError, PictureSource
from worker.process import metrics
from worker.serving import engine_metrics
from worker.serving.batching import Priority
from worker.serving.engine import Engine, ImageAnswers


class SubmittedPicture(NamedTuple):
    """A picture that the engine has got."""

    answers: "Future[ImageAnswers]"
    look: int
    """What it looks like (`look_of`)."""


Preparation = Callable[[], "SubmittedPicture | float | None"]

MAX_PIXELS = 50_000_000
"""Pictures with more are refused: decoding one of this size takes up to a gigabyte. Large ones are decoded in turn."""


class Pictures:
    """Fetches, decodes and submits pictures; one whose features are cached need not be decoded, or even fetched.

    Args:
        max_pixels: Larger pictures are refused.
        features: Cached features; `None` to compute every picture.
    """

    def __init__(self, engine: Engine, source: PictureSource, max_pixels: int, features: FeatureCache | None) -> None:
        self._engine = engine
        self._source = source
        self._max_pixels = max_pixels
        self._features = features

    def preparation(self, item: QueuedItem, priority: Priority) -> "Preparation":
        """Return a function that submits the item's picture, and is to be called in a thread.

        It returns the picture with its coming answers, or the seconds after which to call it again, because the
        picture's server is busy. It raises `PictureError` if the picture is unusable, which becomes the item's outcome;
        other errors are not its fault.
        """
        return partial(self._prepare, item, priority, self._source.opened(item))

    def check(self, item: QueuedItem) -> "Preparation":
        """Return a function that looks at the header of a picture in the blob store, in a thread.

        It returns `None`; it raises `PictureError` if the file is no picture that `preparation` would take, as far as
        its header tells.
        """
        return partial(self._check, self._source.opened(item))

    def _check(self, read: Callable[[], bytes | float]) -> float | None:
        data = read()
        if isinstance(data, float):
            return data
        try:
            check(data, self._max_pixels)
        except UnreadableImageError as error:
            raise PictureError(error.code, str(error)) from error
        return None

    def _prepare(
        self, item: QueuedItem, priority: Priority, read: Callable[[], bytes | float]
    ) -> SubmittedPicture | float:
        if item.blob is not None and (known := self._known(item.blob, priority)):
            return known
        begun = time.monotonic()
        data = read()
        if isinstance(data, float):
            return data
        engine_metrics.FETCH.observe(time.monotonic() - begun)
        sha256 = item.blob or hashlib.sha256(data).hexdigest()
        if item.blob is None and (known := self._known(sha256, priority)):
            return known
        try:
            with engine_metrics.DECODE.time():
                pixels = decode(data, self._engine.bundle.manifest.image_size, self._max_pixels)
        except UnreadableImageError as error:
            raise PictureError(error.code, str(error)) from error
        answer, look = self._engine.pictures([pixels], priority), look_of(pixels)
        if self._features is not None:
            answer.add_done_callback(partial(_keep, self._features, sha256, look))
        return SubmittedPicture(answer, look)

    def _known(self, sha256: str, priority: Priority) -> SubmittedPicture | None:
        if self._features is None:
            return None
        seen = self._features.get(sha256)
        metrics.looked_up(metrics.Cache.FEATURES, seen is not None, seen is None)
        return seen and SubmittedPicture(self._engine.known_pictures([seen.features], priority), seen.look)


def _keep(cache: FeatureCache, sha256: str, look: int, answer: "Future[ImageAnswers]") -> None:
    if answer.exception() is None:
        cache.put(sha256, SeenPicture(answer.result().features[0], look))
