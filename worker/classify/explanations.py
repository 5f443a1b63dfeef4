"""Explains an outcome: which of the item's words carried the answer, and what it was held against."""

from collections.abc import Sequence

import numpy as np

from shared.ledger import Explanation
from shared.model.cascade import fuse_cascaded
from shared.model.explanation import effects, named, without_each
from shared.model.fusion import Probabilities
from shared.model.projection import Projection
from shared.model.text import TokenIds
from worker.serving.batching import Priority
from worker.serving.engine import Engine

_PLACES = 3


def explanation_of(
    engine: Engine,
    projection: Projection,
    priority: Priority,
    words: Sequence[str],
    ids: TokenIds,
    text: Probabilities,
    image: Probabilities,
    *,
    not_looked_at: bool,
) -> Explanation:
    """Return why the item got its answer, with one more batch of texts.

    Args:
        words: Those of its text; the model reads the first ones, of which there are `ids`.
        text: The text branch's answer to it, (classes,); NaN without a text.
        image: The image branch's; NaN if no picture counts.
    """
    manifest = engine.bundle.manifest
    read = words[: len(ids)]
    shorter = [variant for variant in without_each(ids) if len(variant)]
    texts = np.full((1 + len(read), len(text)), np.nan, np.float32)
    texts[0] = text
    if shorter:
        texts[1:] = engine.texts(shorter, priority).result()
    lengths = np.array([len(words), *[len(words) - 1] * len(read)], np.int64)
    images = np.repeat(image[None], len(texts), axis=0)
    # The picture counts as it did: another word more or less does not make the model look.
    skipped = np.full(len(texts), not_looked_at)
    verdict = fuse_cascaded(manifest.fusion, manifest.cascade, texts, images, lengths, skipped)
    fused = projection.project(verdict).prediction.fused
    found = effects(fused[0], fused[1:]) if fused.shape[1] > 1 else np.zeros(len(read), np.float32)
    return Explanation(
        words=tuple(read),
        effects=tuple(np.round(found.astype(np.float64), _PLACES).tolist()),
        phrases=tuple(named(found)),
        review_threshold=manifest.review.threshold,
        cascade_threshold=None if manifest.cascade is None else manifest.cascade.threshold,
    )
