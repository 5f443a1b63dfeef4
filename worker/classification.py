"""A leased chunk to one outcome per item."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from shared.ledger import Outcome, QueuedItem
from shared.model.fusion import Probabilities, fuse
from shared.model.images import UnreadableImageError, decode
from shared.model.text import words
from worker.batching import Priority
from worker.engine import Engine, ImageAnswers
from worker.outcomes import to_outcomes
from worker.sources import PictureError, Sources

_NOTHING = "neither a word nor a picture is left after cleaning the text"


class Classifier:
    """Items to outcomes, by one engine; an item's own trouble is its outcome and never touches its neighbours."""

    def __init__(self, engine: Engine, sources: Sources, max_pixels: int) -> None:
        self.engine = engine
        self._sources = sources
        self._max_pixels = max_pixels

    def chunk(self, items: Sequence[QueuedItem], pool: ThreadPoolExecutor, priority: Priority) -> list[Outcome]:
        """An outcome per item, in order.

        Pictures are fetched and decoded by the pool, and each goes to the engine as soon as it is ready; the texts go
        there together.

        Raises:
            Exception: the blob store is away, or the engine failed: no item's fault, or it is not known whose.
        """
        texts = [words(item.title, item.description) for item in items]
        failed = {
            row: Outcome.failed(item, "nothing_to_classify", _NOTHING)
            for row, item in enumerate(items)
            if not texts[row] and not _has_picture(item)
        }
        # The texts go to the engine before the first picture is fetched; their answers are taken after the last one.
        said = self._text(texts, priority)
        pictured = [row for row, item in enumerate(items) if _has_picture(item)]
        shown = list(pool.map(lambda row: self._image(items[row], priority), pictured))

        text, image = self._silence(len(items)), self._silence(len(items))
        text[[bool(words) for words in texts]] = said.result()
        for row, answer in zip(pictured, shown, strict=True):
            if isinstance(answer, PictureError):
                failed[row] = Outcome.failed(items[row], answer.code, str(answer))
            else:
                image[row] = answer.result().probabilities[0]
        return self._outcomes(items, text, image, failed)

    def item(self, item: QueuedItem, priority: Priority) -> Outcome:
        """One item's outcome; raises as `chunk` does."""
        with ThreadPoolExecutor(1) as pool:
            (outcome,) = self.chunk([item], pool, priority)
        return outcome

    def _text(self, texts: Sequence[Sequence[str]], priority: Priority) -> "Future[Probabilities]":
        """Of those that have words."""
        return self.engine.texts([self.engine.encoder.ids(text) for text in texts if text], priority)

    def _image(self, item: QueuedItem, priority: Priority) -> "Future[ImageAnswers] | PictureError":
        """An error is returned, not raised: it is this item's outcome."""
        try:
            pixels = decode(self._sources.picture(item), self.engine.bundle.manifest.image_size, self._max_pixels)
        except PictureError as error:
            return error
        except UnreadableImageError as error:
            return PictureError(error.code, str(error))
        return self.engine.pictures([pixels], priority)

    def _outcomes(
        self, items: Sequence[QueuedItem], text: Probabilities, image: Probabilities, failed: dict[int, Outcome]
    ) -> list[Outcome]:
        """Those that failed as they are, the others as the branches' answers, of shape (items, classes), say."""
        manifest = self.engine.bundle.manifest
        rows = [row for row in range(len(items)) if row not in failed]
        verdict = fuse(manifest.fusion, text[rows], image[rows])
        done = failed | dict(zip(rows, to_outcomes([items[row] for row in rows], verdict, manifest), strict=True))
        return [done[row] for row in range(len(items))]

    def _silence(self, items: int) -> Probabilities:
        """Rows of NaN: a branch that says nothing."""
        return np.full((items, len(self.engine.bundle.manifest.labels)), np.nan, np.float32)


def _has_picture(item: QueuedItem) -> bool:
    return item.blob is not None or item.url is not None
