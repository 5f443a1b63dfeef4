"""DVC stage `preprocess`: words, splits and VGG16 features of the imported catalogue."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared.model.bundle import BACKBONE_OPENVINO
from shared.model.images import SIZE
from shared.model.runtimes.openvino import OpenVINOBackbone, precision
from shared.model.text import words
from training.features import FeatureStore, compute_missing
from training.layout import FEATURE_STORE, IMPORTED, PREPARED
from training.params import ParamsError, PreprocessParams, load_params
from training.pictures import iter_pictures
from training.prepared import TEST, TRAIN, VALIDATION
from training.vgg16 import WeightsError, fingerprint, make_backbone

log = logging.getLogger(__name__)


def split(labels: npt.NDArray[np.int64], params: PreprocessParams) -> npt.NDArray[np.str_]:
    """`train`, `validation` or `test` per row, each class in the same shares; a class's first rows go to `train`."""
    random = np.random.default_rng(params.seed)
    splits = np.full(len(labels), TRAIN, dtype="<U10")
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        tests, validations = round(len(rows) * params.test), round(len(rows) * params.validation)
        splits[rows[:tests]] = TEST
        splits[rows[tests : tests + validations]] = VALIDATION
    return splits


def prepare(imported: Path, output: Path, store_folder: Path, params: PreprocessParams, *, sample: bool) -> None:
    """Write `items.parquet`, `features.npy`, `about.json` and the backbone into `output`.

    `items.parquet` has a row per product: row, productid, prdtypecode, split, words (joined by blanks), and `feature`,
    the row of `features.npy` (float16) that belongs to its picture, or -1.
    """
    backbone_folder = output / "backbone"
    origin = make_backbone(params.vgg16_weights, SIZE, backbone_folder, random_allowed=sample, seed=params.seed)
    products = pd.read_parquet(imported / "products.parquet")
    hashes = sorted(products["picture"].dropna().unique())

    store = FeatureStore(store_folder / f"{fingerprint(backbone_folder)[:16]}-{precision()}")
    backbone = OpenVINOBackbone(backbone_folder / BACKBONE_OPENVINO)
    compute_missing(store, backbone, iter_pictures(imported / "pictures.parquet"), len(hashes), SIZE)
    np.save(output / "features.npy", store.matrix(hashes))

    items = products[["row", "productid", "prdtypecode"]].assign(
        split=split(products["prdtypecode"].to_numpy(), params),
        words=_joined_words(products["designation"], products["description"]),
        feature=products["picture"].map({sha256: row for row, sha256 in enumerate(hashes)}).fillna(-1).astype("int64"),
    )
    items.to_parquet(output / "items.parquet", index=False)
    about = {"vgg16_weights": origin, "image_size": SIZE}
    (output / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    log.info("prepared %d items: %s", len(items), items["split"].value_counts().to_dict())


def _joined_words(titles: Iterable[str | None], descriptions: Iterable[str | None]) -> list[str]:
    return [
        " ".join(words(None if pd.isna(title) else title, None if pd.isna(text) else text))
        for title, text in zip(titles, descriptions, strict=True)
    ]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    PREPARED.mkdir(parents=True, exist_ok=True)
    try:
        params = load_params()
        prepare(IMPORTED, PREPARED, FEATURE_STORE, params.preprocess, sample=not params.import_data.source)
    except (ParamsError, WeightsError) as error:
        raise SystemExit(f"preprocess: {error}") from error


if __name__ == "__main__":
    main()
