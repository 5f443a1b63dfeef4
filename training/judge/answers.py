"""A bundle's answers to prepared items, on any runtime."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared.model.bundle import Bundle
from shared.model.cascade import Mask, fuse_cascaded, not_looked_at
from shared.model.fusion import Prediction, Probabilities, fuse
from shared.model.projection import Projection
from shared.model.runtimes import Backbone, Runtime
from training.catalogue.pictures import iter_pictures
from training.pipeline.categories import Categories
from training.pipeline.prepared import Items
from training.vgg16.features import FeatureStore, compute_missing

_BATCH = 256


@dataclass(frozen=True)
class BundleAnswers(Prediction):
    """A bundle's answers as it serves, beside those of both branches to all items."""

    always: Probabilities
    """The fused answers with every picture looked at, (items, classes)."""
    not_looked_at: Mask
    """The items whose picture does not count in `fused`, (items,)."""


def answer(bundle: Bundle, runtime: Runtime, items: Items) -> BundleAnswers:
    """Return the bundle's probabilities for the items, per branch and fused, with a column per category of the items.

    What the items' taxonomy has merged or retired since the bundle's training is projected as it is in service. A
    bundle gives nothing to categories that it lacks, and what it gives to those that are gone is left out.
    """
    codes, categories = bundle.codes, items.categories
    encoder, features = bundle.text_encoder(), items.features.astype(np.float32)
    text = np.full((len(items.words), len(codes)), np.nan, np.float32)
    image = text.copy()
    for rows in _batches(items.has_text):
        text[rows] = runtime.text(encoder.encode([items.words[row] for row in rows]))
    for rows in _batches(items.has_image):
        image[rows] = runtime.image(features[rows])
    projection, manifest = Projection(codes, categories.taxonomy), bundle.manifest

    def told(prediction: Prediction) -> Prediction:
        projected = projection.project(prediction).prediction
        if projection.codes == categories.codes:
            return projected
        return Prediction(*(_moved(each, projection.codes, categories) for each in astuple(projected)))

    skipped = not_looked_at(manifest.cascade, text, items.has_image)
    always = told(fuse(manifest.fusion, text, image, items.lengths))
    fused = always.fused
    if skipped.any():
        fused = told(fuse_cascaded(manifest.fusion, manifest.cascade, text, image, items.lengths, skipped)).fused
    return BundleAnswers(fused, always.text, always.image, always.fused, skipped)


def seen_by(
    bundle: Bundle, backbone: Backbone, computed_in: str, items: Items, imported: Path, store_folder: Path
) -> Items:
    """Return the items with the features of this bundle's VGG16, which the feature store keeps.

    Args:
        backbone: The bundle's VGG16 on some runtime.
        computed_in: That runtime's arithmetic, as the feature store names it.
        imported: The output of `import_data`, which has the pictures.
    """
    picture_of = pd.read_parquet(imported / "products.parquet", columns=["row", "picture"]).set_index("row")["picture"]
    hashes = [picture_of[row] for row in items.rows[items.has_image]]
    if not hashes:
        return items
    size = bundle.manifest.image_size
    store = FeatureStore.of(store_folder, bundle.folder, size, computed_in)
    compute_missing(store, backbone, iter_pictures(imported / "pictures.parquet"), hashes, size)
    found = store.matrix(hashes)
    features = np.full((len(items), found.shape[1]), np.nan, np.float16)
    features[items.has_image] = found
    return replace(items, features=features)


def _moved(probabilities: Probabilities, codes: Sequence[str], categories: Categories) -> Probabilities:
    """Move the columns of `codes` to those of the categories; rows of NaN stay so."""
    ours = [column for column, code in enumerate(codes) if code in categories.class_of]
    moved = np.where(
        np.isnan(probabilities[:, :1]), np.nan, np.zeros((len(probabilities), len(categories)), np.float32)
    )
    moved[:, categories.classes(codes[column] for column in ours)] = probabilities[:, ours]
    return moved.astype(np.float32)


def _batches(present: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.int64]]:
    rows = np.flatnonzero(present)
    return [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
