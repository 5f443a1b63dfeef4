"""A bundle's answers over prepared items, on whichever runtime."""

import numpy as np
import numpy.typing as npt

from shared.model.bundle import Bundle
from shared.model.fusion import Verdict, fuse
from shared.model.runtimes import Runtime
from shared.taxonomy import CODES
from training.prepared import Items

_BATCH = 256


def answer(bundle: Bundle, runtime: Runtime, items: Items) -> Verdict:
    """What the bundle says of the items, branch by branch and fused."""
    encoder, features = bundle.text_encoder(), items.features.astype(np.float32)
    text = np.full((len(items.words), len(CODES)), np.nan, np.float32)
    image = text.copy()
    for rows in _batches(items.has_text):
        text[rows] = runtime.text(encoder.encode([items.words[row] for row in rows]))
    for rows in _batches(items.has_image):
        image[rows] = runtime.image(features[rows])
    return fuse(bundle.manifest.fusion, text, image)


def _batches(present: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.int64]]:
    rows = np.flatnonzero(present)
    return [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
