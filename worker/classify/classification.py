"""A leased chunk to one outcome per item."""

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from shared.ledger import Outcome, QueuedItem
from shared.model.fusion import Probabilities, fuse
from shared.model.text import unknown_share
from shared.telemetry.logs import bound, in_context
from shared.telemetry.tracing import span
from shared.words import words
from worker import metrics
from worker.classify.caches import PredictionCache, prediction_key
from worker.classify.outcomes import to_outcomes
from worker.classify.picture_source import PictureError
from worker.classify.pictures import Pictures
from worker.serving.batching import Priority
from worker.serving.engine import Engine, ImageAnswers

log = logging.getLogger(__name__)

_NOTHING = "neither a word nor a picture is left after cleaning the text"


class Classifier:
    """Items to outcomes, by one engine; an item's own trouble is its outcome and never touches its neighbours.

    Args:
        predictions: Earlier answers; `None`: every item is computed. Those to items whose picture is an URL are not
            kept, because what is there may change; its features are, by its content.
    """

    def __init__(self, engine: Engine, pictures: Pictures, predictions: PredictionCache | None = None) -> None:
        self.engine = engine
        self._pictures = pictures
        self._predictions = predictions

    def chunk(
        self, items: Sequence[QueuedItem], pool: ThreadPoolExecutor, priority: Priority, tenant: str = ""
    ) -> list[Outcome]:
        """An outcome per item, in order.

        Args:
            pool: Fetches and decodes pictures.
            tenant: Whose items these are: nobody is given another's earlier answers.

        Raises:
            Exception: the blob store is away, or the engine failed: no item's fault, or it is not known whose.
        """
        if self._predictions is None:
            return self._computed(items, pool, priority)
        bundle, runtime = self.engine.bundle.id, self.engine.runtime.name
        keys = {
            item.index: prediction_key(bundle, runtime, item, item.blob, tenant) for item in items if item.url is None
        }
        known = dict(zip(keys, self._predictions.get(list(keys.values())), strict=True))
        found = {item.index: answer.outcome(item) for item in items if (answer := known.get(item.index))}
        metrics.looked_up(metrics.Cache.PREDICTIONS, len(found), len(keys) - len(found))
        rest = [item for item in items if item.index not in found]
        computed = {outcome.index: outcome for outcome in self._computed(rest, pool, priority)}
        self._predictions.put({keys[index]: outcome for index, outcome in computed.items() if index in keys})
        return [found.get(item.index) or computed[item.index] for item in items]

    def item(self, item: QueuedItem, priority: Priority) -> Outcome:
        """One item's outcome; raises as `chunk` does."""
        with ThreadPoolExecutor(1) as pool:
            (outcome,) = self.chunk([item], pool, priority)
        return outcome

    def _computed(self, items: Sequence[QueuedItem], pool: ThreadPoolExecutor, priority: Priority) -> list[Outcome]:
        """The texts go to the engine together, and each picture as soon as it is ready."""
        texts = [words(item.title, item.description) for item in items]
        failed = {
            row: Outcome.failed(item, "nothing_to_classify", _NOTHING)
            for row, item in enumerate(items)
            if not texts[row] and not _has_picture(item)
        }
        ids = [self.engine.encoder.ids(text) for text in texts]
        said = self.engine.texts([text for text in ids if len(text)], priority)
        shown = self._shown(items, pool, priority)

        text, image = self._silence(len(items)), self._silence(len(items))
        with span("compute"):  # what of it was not done while the pictures were prepared
            text[[bool(text) for text in texts]] = said.result()
            for row, answer in shown.items():
                if isinstance(answer, PictureError):
                    failed[row] = Outcome.failed(items[row], answer.code, str(answer))
                else:
                    image[row] = answer.result().probabilities[0]
        read = [(len(text), unknown_share(looked_at)) for text, looked_at in zip(texts, ids, strict=True)]
        return self._outcomes(items, read, text, image, failed)

    def _shown(
        self, items: Sequence[QueuedItem], pool: ThreadPoolExecutor, priority: Priority
    ) -> "dict[int, Future[ImageAnswers] | PictureError]":
        """By row, once every picture has been fetched, decoded and given to the engine."""
        rows = [row for row, item in enumerate(items) if _has_picture(item)]
        if not rows:
            return {}
        with span("prepare pictures", {"catalog.pictures": len(rows)}):
            show = in_context(self._image)
            shown = pool.map(lambda row: show(items[row], priority), rows)
            return dict(zip(rows, shown, strict=True))

    def _image(self, item: QueuedItem, priority: Priority) -> "Future[ImageAnswers] | PictureError":
        """An error is returned, not raised: it is this item's outcome."""
        with bound(item=item.id):
            try:
                return self._pictures.submit(item, priority)
            except PictureError as error:
                log.debug("the item fails: %s", error.code)  # the message may quote an URL with a secret
                return error

    def _outcomes(
        self,
        items: Sequence[QueuedItem],
        read: Sequence[tuple[int, float]],
        text: Probabilities,
        image: Probabilities,
        failed: dict[int, Outcome],
    ) -> list[Outcome]:
        """Those that failed as they are, the others as the branches' answers, of shape (items, classes), say."""
        manifest = self.engine.bundle.manifest
        rows = [row for row in range(len(items)) if row not in failed]
        verdict = fuse(manifest.fusion, text[rows], image[rows])
        answered = to_outcomes([items[row] for row in rows], [read[row] for row in rows], verdict, manifest)
        done = failed | dict(zip(rows, answered, strict=True))
        return [done[row] for row in range(len(items))]

    def _silence(self, items: int) -> Probabilities:
        """Rows of NaN: a branch that says nothing."""
        return np.full((items, len(self.engine.bundle.manifest.labels)), np.nan, np.float32)


def _has_picture(item: QueuedItem) -> bool:
    return item.blob is not None or item.url is not None
