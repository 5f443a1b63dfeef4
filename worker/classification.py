"""A leased chunk to one outcome per item."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from shared.ledger import Guess, Outcome, QueuedItem
from shared.model.fusion import Fusion, Probabilities
from shared.model.images import UnreadableImageError, decode
from shared.model.review import PLACES
from shared.model.text import words
from worker.engine import Answer, Engine, ModelInput
from worker.sources import PictureError, Sources

_GUESSES = 4


class Classifier:
    """Items to outcomes, by one engine; an item's own trouble is its outcome and never touches its neighbours."""

    def __init__(self, engine: Engine, sources: Sources, max_pixels: int) -> None:
        self.engine = engine
        self._sources = sources
        self._max_pixels = max_pixels

    def chunk(self, items: list[QueuedItem], pool: ThreadPoolExecutor, priority: int) -> list[Outcome]:
        """An outcome per item, in order.

        Pictures are fetched and decoded by the pool, and an item goes to the engine as soon as it is ready.

        Raises:
            Exception: the blob store is away, or the engine failed: no item's fault, or it is not known whose.
        """
        submitted = list(pool.map(lambda item: self._submit(item, priority), items))
        return [self._finish(item, answer) for item, answer in zip(items, submitted, strict=True)]

    def item(self, item: QueuedItem, priority: int) -> Outcome:
        """One item's outcome; raises as `chunk` does."""
        return self._finish(item, self._submit(item, priority))

    def _submit(self, item: QueuedItem, priority: int) -> "Future[Answer] | Outcome":
        try:
            return self.engine.submit(self._model_input(item), priority)
        except PictureError as error:
            return Outcome.failed(item, error.code, str(error))

    def _finish(self, item: QueuedItem, answer: "Future[Answer] | Outcome") -> Outcome:
        return answer if isinstance(answer, Outcome) else _outcome(item, answer.result(), self.engine)

    def _model_input(self, item: QueuedItem) -> ModelInput:
        picture, size = self._sources.picture(item), self.engine.bundle.manifest.image_size
        try:
            pixels = None if picture is None else decode(picture, size, self._max_pixels)
        except UnreadableImageError as error:
            raise PictureError(error.code, str(error)) from error
        text = words(item.title, item.description)
        if pixels is None and not text:
            raise PictureError("nothing_to_classify", "neither a word nor a picture is left after cleaning the text")
        return ModelInput(text, pixels)


def _outcome(item: QueuedItem, answer: Answer, engine: Engine) -> Outcome:
    manifest = engine.bundle.manifest
    best = np.argsort(answer.fused)[::-1][:_GUESSES]
    guesses = tuple(Guess(manifest.labels[index], _rounded(answer.fused[index])) for index in best)
    return Outcome(
        index=item.index,
        id=item.id,
        guesses=guesses,
        needs_review=manifest.review.needs_review(guesses[0].confidence),
        text=_best(answer.text, manifest.labels),
        image=_best(answer.image, manifest.labels),
        weights=_shares(manifest.fusion, answer),
    )


def _best(probabilities: Probabilities | None, labels: tuple[int, ...]) -> Guess | None:
    if probabilities is None:
        return None
    index = int(probabilities.argmax())
    return Guess(labels[index], _rounded(probabilities[index]))


def _shares(fusion: Fusion, answer: Answer) -> tuple[float, float]:
    """How much text and image counted; a branch without input counts nothing."""
    text = fusion.text if answer.text is not None else 0.0
    image = fusion.image if answer.image is not None else 0.0
    if answer.text is None or answer.image is None or text + image == 0:
        return (float(answer.text is not None), float(answer.image is not None))
    return (_rounded(text / (text + image)), _rounded(image / (text + image)))


def _rounded(value: float) -> float:
    return round(float(value), PLACES)
