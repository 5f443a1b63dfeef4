"""Classifies the items of a chunk."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np

from shared.ledger import Outcome, QueuedItem
from shared.model.fusion import Probabilities, fuse
from shared.model.projection import Projection
from shared.model.text import unknown_share
from shared.telemetry.logs import bound, in_context
from shared.telemetry.tracing import span
from shared.words import words
from worker.classify.caches import PredictionCache, prediction_key
from worker.classify.outcomes import to_outcomes
from worker.classify.picture_source import PictureError
from worker.classify.pictures import Pictures, Preparation
from worker.classify.projections import Projections
from worker.classify.turns import in_turns
from worker.process import metrics
from worker.serving.batching import Priority
from worker.serving.engine import Engine, ImageAnswers

log = logging.getLogger(__name__)

_NOTHING = "neither a word nor a picture is left after cleaning the text"


class Classifier:
    """Turns items into outcomes with one engine; a faulty item gets an outcome that says so, and affects no other.

    Args:
        projections: The engine's bundle's; a chunk is answered with the one that is in force when it begins.
        predictions: Earlier answers; `None` to compute every item. Answers to items whose picture is a URL are not
            kept, because the picture may change; its features are, under the hash of its content.
    """

    def __init__(
        self,
        engine: Engine,
        pictures: Pictures,
        projections: Projections,
        predictions: PredictionCache | None = None,
    ) -> None:
        self.engine = engine
        self.projections = projections
        self._pictures = pictures
        self._predictions = predictions

    def chunk(
        self,
        items: Sequence[QueuedItem],
        pool: ThreadPoolExecutor,
        priority: Priority,
        tenant: str = "",
        progressed: Callable[[], None] = lambda: None,
    ) -> list[Outcome]:
        """Return one outcome per item, in order.

        Args:
            pool: The threads that fetch and decode pictures.
            tenant: The owner of the items; earlier answers are not shared between tenants.
            progressed: Called after each picture, and while pictures wait for a busy server.

        Raises:
            OSError: the blob store is unreachable, or this machine lacks something; no item is to blame.
            Exception: the engine failed, which is not known to be an item's fault.
        """
        projection = self.projections.now()
        if self._predictions is None:
            return self._computed(items, projection, pool, priority, progressed)
        answering = (self.engine.bundle.id, self.engine.runtime.name, projection.version)
        keys = {item.index: prediction_key(*answering, item, item.blob, tenant) for item in items if item.url is None}
        known = dict(zip(keys, self._predictions.get(list(keys.values()), projection), strict=True))
        cached = {item.index: answer.outcome(item) for item in items if (answer := known.get(item.index))}
        metrics.looked_up(metrics.Cache.PREDICTIONS, len(cached), len(keys) - len(cached))
        rest = [item for item in items if item.index not in cached]
        computed = {outcome.index: outcome for outcome in self._computed(rest, projection, pool, priority, progressed)}
        kept = {keys[index]: outcome for index, outcome in computed.items() if index in keys}
        self._predictions.put(kept, projection)
        return [cached.get(item.index) or computed[item.index] for item in items]

    def item(self, item: QueuedItem, priority: Priority) -> Outcome:
        """Return the outcome of one item; raises the same as `chunk`."""
        with ThreadPoolExecutor(1) as pool:
            (outcome,) = self.chunk([item], pool, priority)
        return outcome

    def _computed(
        self,
        items: Sequence[QueuedItem],
        projection: Projection,
        pool: ThreadPoolExecutor,
        priority: Priority,
        progressed: Callable[[], None],
    ) -> list[Outcome]:
        """Submit all texts to the engine together, and each picture as soon as it is prepared."""
        texts = [words(item.title, item.description) for item in items]
        failed = {
            row: Outcome.failed(item, "nothing_to_classify", _NOTHING)
            for row, item in enumerate(items)
            if not texts[row] and not _has_picture(item)
        }
        ids = [self.engine.encoder.ids(text) for text in texts]
        text_answers = self.engine.texts([text for text in ids if len(text)], priority)
        image_answers = self._image_answers(items, pool, priority, progressed)

        text, image = self._no_answers(len(items)), self._no_answers(len(items))
        with span("compute"):  # only what was not computed while the pictures were prepared
            text[[bool(text) for text in texts]] = text_answers.result()
            for row, answer in image_answers.items():
                if isinstance(answer, PictureError):
                    failed[row] = Outcome.failed(items[row], answer.code, str(answer))
                else:
                    image[row] = answer.result().probabilities[0]
        read = [(len(text), unknown_share(encoded)) for text, encoded in zip(texts, ids, strict=True)]
        return self._outcomes(items, read, text, image, projection, failed)

    def _image_answers(
        self,
        items: Sequence[QueuedItem],
        pool: ThreadPoolExecutor,
        priority: Priority,
        progressed: Callable[[], None],
    ) -> "dict[int, Future[ImageAnswers] | PictureError]":
        """Return the image branch's answers by row, once every picture is fetched, decoded and submitted."""
        rows = [row for row, item in enumerate(items) if _has_picture(item)]
        if not rows:
            return {}
        with span("prepare pictures", {"catalog.pictures": len(rows)}):
            prepared = {row: self._pictures.preparation(items[row], priority) for row in rows}
            step = in_context(self._prepare)
            return in_turns({row: partial(step, items[row], prepared[row]) for row in rows}, pool, progressed)

    def _prepare(self, item: QueuedItem, prepare: Preparation) -> "Future[ImageAnswers] | PictureError | float":
        """Prepare one picture; an error is returned, not raised, because it becomes the item's outcome."""
        with bound(item=item.id):
            try:
                return prepare()
            except PictureError as error:
                log.debug("the item fails: %s", error.code)  # the message may quote a URL with a secret
                return error

    def _outcomes(
        self,
        items: Sequence[QueuedItem],
        read: Sequence[tuple[int, float]],
        text: Probabilities,
        image: Probabilities,
        projection: Projection,
        failed: dict[int, Outcome],
    ) -> list[Outcome]:
        """Return the failed outcomes, and those that follow from the branches' answers of shape (items, classes)."""
        manifest = self.engine.bundle.manifest
        rows = [row for row in range(len(items)) if row not in failed]
        if failed:  # else nothing need be copied
            text, image = text[rows], image[rows]
        verdict = fuse(manifest.fusion, text, image)
        of_items = [items[row] for row in rows], [read[row] for row in rows]
        answered = to_outcomes(*of_items, verdict, projection, manifest)
        done = failed | dict(zip(rows, answered, strict=True))
        return [done[row] for row in range(len(items))]

    def _no_answers(self, items: int) -> Probabilities:
        """Return rows of NaN: the answers of a branch without input."""
        return np.full((items, len(self.engine.bundle.manifest.labels)), np.nan, np.float32)


def _has_picture(item: QueuedItem) -> bool:
    return item.blob is not None or item.url is not None
