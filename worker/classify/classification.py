"""Classifies the items of a chunk."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from shared.ledger import Explanation, Outcome, PictureUse, QueuedItem
from shared.model.cascade import Mask, fuse_cascaded, not_looked_at
from shared.model.fusion import Probabilities
from shared.model.projection import Projection
from shared.model.text import TokenIds, unknown_share
from shared.telemetry.logs import bound, in_context
from shared.telemetry.tracing import span
from shared.words import words
from worker.classify.caches import PredictionCache, prediction_key
from worker.classify.explanations import explanation_of
from worker.classify.outcomes import to_outcomes
from worker.classify.picture_source import PictureError
from worker.classify.pictures import Pictures, Preparation, SubmittedPicture
from worker.classify.projections import Projections
from worker.classify.turns import in_turns
from worker.process import metrics
from worker.serving.batching import Priority
from worker.serving.engine import Engine

log = logging.getLogger(__name__)

_NOTHING = "neither a word nor a picture is left after cleaning the text"


@dataclass(frozen=True)
class _Work:
    """What the classification of a chunk is done with."""

    projection: Projection
    pool: ThreadPoolExecutor
    priority: Priority
    use: PictureUse
    progressed: Callable[[], None]
    explain: bool


class _Answers(NamedTuple):
    """The branches' answers to items."""

    text: Probabilities
    """(items, classes), with a row of NaN for an item without a text."""
    image: Probabilities
    """(items, classes), with a row of NaN for an item without a picture, or whose picture is not looked at."""
    not_looked_at: Mask
    """(items,)"""


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
        use: PictureUse = PictureUse.WHEN_NEEDED,
        progressed: Callable[[], None] = lambda: None,
        *,
        explain: bool = False,
    ) -> list[Outcome]:
        """Return one outcome per item, in order.

        Args:
            pool: The threads that fetch and decode pictures.
            tenant: The owner of the items; earlier answers are not shared between tenants.
            use: Which of the pictures are looked at.
            progressed: Called after each picture, and while pictures wait for a busy server.
            explain: Whether outcomes say why; then no earlier answers are taken, because they do not.

        Raises:
            OSError: the blob store is unreachable, or this machine lacks something; no item is to blame.
            Exception: the engine failed, which is not known to be an item's fault.
        """
        projection = self.projections.now()
        work = _Work(projection, pool, priority, use, progressed, explain)
        if self._predictions is None or explain:
            return self._computed(items, work)
        answering = (self.engine.bundle.id, self.engine.runtime.name, projection.version, use)
        keys = {item.index: prediction_key(*answering, item, tenant) for item in items if item.url is None}
        known = dict(zip(keys, self._predictions.get(list(keys.values()), projection), strict=True))
        cached = {item.index: answer.outcome(item) for item in items if (answer := known.get(item.index))}
        metrics.looked_up(metrics.Cache.PREDICTIONS, len(cached), len(keys) - len(cached))
        rest = [item for item in items if item.index not in cached]
        computed = {outcome.index: outcome for outcome in self._computed(rest, work)}
        kept = {keys[index]: outcome for index, outcome in computed.items() if index in keys}
        self._predictions.put(kept, projection)
        return [cached.get(item.index) or computed[item.index] for item in items]

    def item(self, item: QueuedItem, priority: Priority, use: PictureUse = PictureUse.WHEN_NEEDED) -> Outcome:
        """Return the outcome of one item; raises the same as `chunk`."""
        with ThreadPoolExecutor(1) as pool:
            (outcome,) = self.chunk([item], pool, priority, use=use)
        return outcome

    def _computed(self, items: Sequence[QueuedItem], work: "_Work") -> list[Outcome]:
        """Submit all texts to the engine together, and each picture that is to be looked at once it is prepared."""
        texts = [words(item.title, item.description) for item in items]
        failed = {
            row: Outcome.failed(item, "nothing_to_classify", _NOTHING)
            for row, item in enumerate(items)
            if not texts[row] and not _has_picture(item)
        }
        ids = [self.engine.encoder.ids(text) for text in texts]
        text_answers = self.engine.texts([text for text in ids if len(text)], work.priority)
        text, image = self._no_answers(len(items)), self._no_answers(len(items))
        has_text, has_picture = np.array(list(map(bool, texts)), bool), np.array(list(map(_has_picture, items)), bool)
        cascade = self.engine.bundle.manifest.cascade if work.use is PictureUse.WHEN_NEEDED else None
        texts_first = cascade is not None and has_picture.any()
        if texts_first:
            with span("compute texts"):  # which pictures are looked at depends on the answers
                text[has_text] = text_answers.result()
        skipped = not_looked_at(cascade, text, has_picture)
        pictures = self._submitted(items, has_picture, skipped, work)

        with span("compute"):  # only what was not computed while the pictures were prepared
            if not texts_first:
                text[has_text] = text_answers.result()
            for row, picture in pictures.items():
                if isinstance(picture, PictureError):
                    failed[row] = Outcome.failed(items[row], picture.code, str(picture))
                elif picture is not None:
                    image[row] = picture.answers.result().probabilities[0]
        read = [(len(text), unknown_share(encoded)) for text, encoded in zip(texts, ids, strict=True)]
        answers = _Answers(text, image, skipped)
        outcomes = _with_looks(self._outcomes(items, read, answers, work.projection, failed), pictures)
        return self._explained(outcomes, texts, ids, answers, work) if work.explain else outcomes

    def _explained(
        self,
        outcomes: Sequence[Outcome],
        texts: Sequence[Sequence[str]],
        ids: Sequence[TokenIds],
        answers: "_Answers",
        work: "_Work",
    ) -> list[Outcome]:
        """Return the outcomes, with why where there is an answer."""

        def why(row: int) -> Explanation:
            branches, skipped = (answers.text[row], answers.image[row]), bool(answers.not_looked_at[row])
            asked = self.engine, work.projection, work.priority
            return explanation_of(*asked, texts[row], ids[row], *branches, not_looked_at=skipped)

        return [
            replace(outcome, explanation=why(row)) if outcome.guesses else outcome
            for row, outcome in enumerate(outcomes)
        ]

    def _submitted(
        self, items: Sequence[QueuedItem], has_picture: Mask, skipped: Mask, work: "_Work"
    ) -> dict[int, SubmittedPicture | PictureError | None]:
        """Return the pictures by row, once every one is fetched, decoded and submitted.

        Of a picture that is not looked at, and that came with the request, only the header is read, so that a file
        that is no picture is told; there is `None` for it. One behind a URL is not even fetched.
        """
        steps: dict[int, Preparation] = {}
        for row in np.flatnonzero(has_picture).tolist():
            if not skipped[row]:
                steps[row] = self._pictures.preparation(items[row], work.priority)
            elif items[row].blob is not None:
                steps[row] = self._pictures.check(items[row])
        if not steps:
            return {}
        with span("prepare pictures", {"catalog.pictures": len(steps), "catalog.not_looked_at": int(skipped.sum())}):
            prepare = in_context(self._prepare)
            calls = {row: partial(prepare, items[row], step) for row, step in steps.items()}
            return in_turns(calls, work.pool, work.progressed)

    def _prepare(self, item: QueuedItem, prepare: Preparation) -> SubmittedPicture | PictureError | float | None:
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
        answers: "_Answers",
        projection: Projection,
        failed: dict[int, Outcome],
    ) -> list[Outcome]:
        """Return the failed outcomes, and those that follow from the branches' answers."""
        manifest = self.engine.bundle.manifest
        rows = [row for row in range(len(items)) if row not in failed]
        text, image, skipped = answers
        if failed:  # else nothing need be copied
            text, image, skipped = text[rows], image[rows], skipped[rows]
        read = [read[row] for row in rows]
        lengths = np.array([length for length, _ in read], np.int64)
        verdict = fuse_cascaded(manifest.fusion, manifest.cascade, text, image, lengths, skipped)
        answered = to_outcomes([items[row] for row in rows], read, verdict, skipped, projection, manifest)
        done = failed | dict(zip(rows, answered, strict=True))
        return [done[row] for row in range(len(items))]

    def _no_answers(self, items: int) -> Probabilities:
        """Return rows of NaN: the answers of a branch without input."""
        return np.full((items, len(self.engine.bundle.manifest.labels)), np.nan, np.float32)


def _with_looks(
    outcomes: list[Outcome], pictures: Mapping[int, SubmittedPicture | PictureError | None]
) -> list[Outcome]:
    """Return the outcomes, with what their pictures look like where that is known."""
    for row, picture in pictures.items():
        if isinstance(picture, SubmittedPicture) and picture.look:
            outcomes[row] = replace(outcomes[row], look=picture.look)
    return outcomes


def _has_picture(item: QueuedItem) -> bool:
    return item.blob is not None or item.url is not None
