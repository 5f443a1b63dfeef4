"""A leased chunk to one outcome per item."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from shared.ledger import Guess, Lease, Outcome, QueuedItem
from shared.model.fusion import Fusion, Probabilities
from shared.model.images import UnreadableImageError, decode
from shared.model.review import PLACES
from shared.model.text import words
from worker.engine import Answer, Engine, ModelInput
from worker.sources import PictureError, Sources

MAX_ATTEMPTS = 5
"""A chunk whose holders vanished so often is given up."""

_GUESSES = 4


def classify(lease: Lease, engine: Engine, sources: Sources, pool: ThreadPoolExecutor, priority: int) -> list[Outcome]:
    """An outcome per item, in order; an item's own trouble never touches its neighbours.

    Pictures are fetched and decoded by the pool, and an item goes to the engine as soon as it is ready.
    """
    if lease.attempt > MAX_ATTEMPTS:
        message = f"its chunk was given up after {MAX_ATTEMPTS} attempts that each ended with the worker's death"
        return [Outcome(item.index, item.id, error="worker_lost", message=message) for item in lease.items]

    def prepare(item: QueuedItem) -> "Future[Answer] | Outcome":
        try:
            return engine.submit(_model_input(item, sources, engine.bundle.manifest.image_size), priority)
        except PictureError as error:
            return Outcome(item.index, item.id, error=error.code, message=str(error))

    submitted = list(pool.map(prepare, lease.items))
    return [
        answer if isinstance(answer, Outcome) else _outcome(item, answer.result(), engine)
        for item, answer in zip(lease.items, submitted, strict=True)
    ]


def _model_input(item: QueuedItem, sources: Sources, size: int) -> ModelInput:
    picture = sources.picture(item)
    try:
        pixels = None if picture is None else decode(picture, size)
    except UnreadableImageError as error:
        raise PictureError("image_unreadable", str(error)) from error
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
