"""DVC stage `preprocess`: makes words, splits and VGG16 features of the imported catalogue."""

import json
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from shared.model.bundle import BACKBONE, Bundle, BundleError
from shared.model.known import Identities
from shared.model.runtimes.openvino import OpenVINOBackbone, Precision, precision
from shared.pipeline.params import ParamsError, PreprocessParams, load_params
from shared.taxonomy import TAXONOMY_FILE
from shared.words import words
from training.catalogue.pictures import iter_pictures
from training.fit.fine_tune import fine_tune
from training.pipeline.layout import FEATURE_STORE, IMPORTED, PARTLY_LABELLED, PREPARED, STARTER
from training.pipeline.splits import TRAIN, VALIDATION, identify, split
from training.vgg16.backbone_files import copy_backbone
from training.vgg16.features import FeatureStore, HalfFeatures, compute_missing
from training.vgg16.weights import WeightsError, keep_quantised, load_vgg16

log = logging.getLogger(__name__)


def prepare(imported: Path, output: Path, store_folder: Path, params: PreprocessParams) -> None:
    """Write all that the later stages read into `output`.

    `items.parquet`, `unlabelled.parquet`, `partly_labelled.parquet`, `taxonomy.json`, the features, `about.json` and
    the backbone.

    `items.parquet` has a row per product: row, id, category, identity, split (`pipeline/splits.py`),
    words (joined by blanks), and `feature`, the row of `features.npy` (float16) that belongs to its picture, or -1.
    `validation_float.npy` has the features of the validation split's pictures by VGG16 in floating point, in the order
    of the rows.
    """
    products = pd.read_parquet(imported / "products.parquet")
    texts = joined_words(products["title"], products["description"])
    identities = identify(texts, products["picture"])
    splits = split(identities, products["category"].to_numpy(np.str_), params)
    backbone_folder = output / "backbone"
    training = products[splits == TRAIN].dropna(subset="picture")
    origin = make_backbone(params, imported / "pictures.parquet", training, store_folder, backbone_folder)

    def features(wanted: list[str], computed_in: Precision) -> HalfFeatures:
        size = params.image_size
        store = FeatureStore.of(store_folder, backbone_folder, size, computed_in)
        backbone = OpenVINOBackbone(backbone_folder / BACKBONE, size, computed_in)
        compute_missing(store, backbone, iter_pictures(imported / "pictures.parquet"), wanted, size)
        if not wanted:  # the later stages read the width of the features all the same
            blank = np.zeros((1, size, size, 3), np.uint8)
            return backbone.features(blank)[:0].astype(np.float16)
        return store.matrix(wanted)

    hashes = sorted(products["picture"].dropna().unique())
    np.save(output / "features.npy", features(hashes, "int8"))
    validation = products[splits == VALIDATION].dropna(subset="picture")["picture"].tolist()
    np.save(output / "validation_float.npy", features(validation, precision()))

    items = products[["row", "id", "category"]].assign(
        identity=identities,
        split=splits,
        words=texts,
        feature=products["picture"].map({sha256: row for row, sha256 in enumerate(hashes)}).fillna(-1).astype("int64"),
    )
    items.to_parquet(output / "items.parquet", index=False)
    _distinct_words(pd.read_parquet(imported / "unlabelled.parquet")).to_parquet(output / "unlabelled.parquet")
    held_out = identities[splits != TRAIN]
    partly = _partly_labelled(pd.read_parquet(imported / PARTLY_LABELLED), held_out)
    partly.to_parquet(output / PARTLY_LABELLED, index=False)
    shutil.copyfile(imported / TAXONOMY_FILE, output / TAXONOMY_FILE)
    about = {"vgg16_weights": origin, "image_size": params.image_size}
    (output / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    log.info("prepared %d items: %s", len(items), items["split"].value_counts().to_dict())


def make_backbone(params: PreprocessParams, pictures: Path, training: pd.DataFrame, kept: Path, folder: Path) -> str:
    """Write the quantised backbone into `folder`, and return the origin of its weights.

    Args:
        pictures: The file `pictures.parquet`.
        training: The rows of products.parquet with a picture that a model may learn from.
        kept: The folder that keeps quantised backbones from run to run.
    """
    if params.vgg16_weights == "starter" and not params.fine_tune.epochs:
        starter = Bundle.load(STARTER)
        copy_backbone(starter.folder, folder)
        return starter.manifest.vgg16_weights
    keras.utils.set_random_seed(params.seed)
    backbone, origin = load_vgg16(params.vgg16_weights, params.image_size)
    learned = set(training["picture"])
    if params.fine_tune.epochs:
        codes, classes = np.unique(training["category"].to_numpy(np.str_), return_inverse=True)
        label = dict(zip(training["picture"], classes.tolist(), strict=True))
        examples = [(data, label[sha256]) for sha256, data in iter_pictures(pictures) if sha256 in learned]
        fine_tune(backbone, examples, len(codes), params.fine_tune, params.seed)
        origin += f", last block trained for {params.fine_tune.epochs} epochs"
    keep_quantised(backbone, (data for sha256, data in iter_pictures(pictures) if sha256 in learned), kept, folder)
    return origin


def _distinct_words(texts: pd.DataFrame) -> pd.DataFrame:
    joined = joined_words(texts["title"], texts["description"])
    return pd.DataFrame({"words": sorted({text for text in joined if text})}, dtype="str")


def _partly_labelled(texts: pd.DataFrame, held_out: Identities) -> pd.DataFrame:
    """Return words and category of the texts, without those of items that are held out."""
    found = pd.DataFrame(
        {
            "words": pd.Series(joined_words(texts["title"], texts["description"]), dtype="str"),
            "category": texts["category"],
        }
    )
    found = found[found["words"] != ""].drop_duplicates()
    return found[~np.isin(identify(found["words"], [None] * len(found)), held_out)]


def joined_words(titles: Iterable[str | None], descriptions: Iterable[str | None]) -> list[str]:
    """Return the normalised words of each item, joined by blanks."""
    return [
        " ".join(words(None if pd.isna(title) else title, None if pd.isna(text) else text))
        for title, text in zip(titles, descriptions, strict=True)
    ]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    PREPARED.mkdir(parents=True, exist_ok=True)
    try:
        prepare(IMPORTED, PREPARED, FEATURE_STORE, load_params().preprocess)
    except (BundleError, ParamsError, WeightsError) as error:
        raise SystemExit(f"preprocess: {error}") from error


if __name__ == "__main__":
    main()
