"""What the Keras networks say, to hold the quantised artefact's answers against."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from shared.model.bundle import Bundle
from shared.model.fusion import Verdict
from shared.model.runtimes.tensorflow import TensorFlowRuntime
from training.answering import answer
from training.features import FeatureStore, compute_missing
from training.pictures import iter_pictures
from training.prepared import Items


def keras_verdict(bundle: Bundle, items: Items, imported: Path, store_folder: Path) -> Verdict:
    """The same items through TensorFlow, from their pictures on, in single precision.

    Keras computes a handful of pictures a second on a CPU; its features are kept like the others.
    """
    runtime = TensorFlowRuntime(bundle, "f32")
    picture_of = pd.read_parquet(imported / "products.parquet", columns=["row", "picture"]).set_index("row")["picture"]
    hashes = [picture_of[row] for row in items.rows[items.has_image]]
    size = bundle.manifest.image_size
    store = FeatureStore.of(store_folder, bundle.folder, size, "keras")
    compute_missing(store, runtime, iter_pictures(imported / "pictures.parquet"), hashes, size)
    features = np.full_like(items.features, np.nan)
    if hashes:
        features[items.has_image] = store.matrix(hashes)
    return answer(bundle, runtime, replace(items, features=features))
