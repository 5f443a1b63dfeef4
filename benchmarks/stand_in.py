"""Workers without a model, to measure what is around it: the real Celery app, and runtimes that compute nothing.

    System(state, workers=2, runtime="instant")

`instant` answers at once; `sleeping` takes `SLEEP_S` per item, as a GPU does that leaves the CPU alone meanwhile.
Everything else of the worker is real: leases, words and their ids, the micro-batcher, the fusion and the commits.
"""

import time

import numpy as np
import numpy.typing as npt

from shared.model import runtimes
from shared.model.bundle import Bundle
from shared.model.fusion import Probabilities
from shared.model.images import Pixels
from shared.model.runtimes import Features
from worker.app import app

__all__ = ["SLEEP_S", "app"]

SLEEP_S = 0.002
"""Per item: 500 pictures a second, of the order of VGG16 on a small GPU."""


class _Instant:
    """The same probabilities for every item, at once, whatever the bundle's golden answers are."""

    name = "instant"

    def __init__(self, bundle: Bundle) -> None:
        classes = len(bundle.manifest.labels)
        self._answer = np.arange(1, classes + 1, dtype=np.float32) * 2 / (classes * (classes + 1))

    def features(self, pixels: Pixels) -> Features:
        return np.zeros((len(pixels), 1), np.float32)

    def text(self, tokens: npt.NDArray[np.int32]) -> Probabilities:
        return self._answers(len(tokens))

    def image(self, features: Features) -> Probabilities:
        return self._answers(len(features))

    def _answers(self, items: int) -> Probabilities:
        return np.tile(self._answer, (items, 1))


class _Sleeping(_Instant):
    """The same answers after `SLEEP_S` per item."""

    name = "sleeping"

    def features(self, pixels: Pixels) -> Features:
        time.sleep(SLEEP_S * len(pixels))
        return super().features(pixels)

    def text(self, tokens: npt.NDArray[np.int32]) -> Probabilities:
        time.sleep(SLEEP_S * len(tokens))
        return super().text(tokens)


runtimes.LOADERS.update(instant=_Instant, sleeping=_Sleeping)
