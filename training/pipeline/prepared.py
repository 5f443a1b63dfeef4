"""The output of `preprocess`, as the later stages read it."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared.model.bundle import sha256
from shared.model.known import Identities, KnownItems
from shared.taxonomy import TAXONOMY_FILE, from_json
from training.pipeline.categories import Categories
from training.pipeline.layout import PARTLY_LABELLED
from training.pipeline.splits import TEST, TRAIN, VALIDATION


@dataclass(frozen=True)
class Items:
    """Rows of the catalogue: words, features of the picture if there is one, and the class."""

    rows: npt.NDArray[np.int64]
    identities: Identities
    words: list[list[str]]
    features: npt.NDArray[np.float16]
    """Shape (items, features); a row of NaN is an item without a picture."""
    classes: npt.NDArray[np.int64]
    """Index into `categories.codes`."""
    categories: Categories

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Items":
        """Return the items for which `chosen`, of shape (items,), is true."""
        words = [text for text, wanted in zip(self.words, chosen, strict=True) if wanted]
        arrays = (self.rows[chosen], self.identities[chosen])
        return Items(
            *arrays,
            words=words,
            features=self.features[chosen],
            classes=self.classes[chosen],
            categories=self.categories,
        )

    @property
    def has_text(self) -> npt.NDArray[np.bool_]:
        return np.array([bool(text) for text in self.words], bool)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The number of words of each text."""
        return np.array([len(text) for text in self.words], np.int64)

    @property
    def has_image(self) -> npt.NDArray[np.bool_]:
        return ~np.isnan(self.features[:, 0])


@dataclass(frozen=True)
class PartlyLabelled:
    """Texts whose label only tells a category above the classes."""

    texts: list[list[str]]
    classes: list[npt.NDArray[np.int64]]
    """For each text the classes below its label, of which there is at least one."""

    def __len__(self) -> int:
        return len(self.texts)


class Prepared:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._items = pd.read_parquet(folder / "items.parquet")
        self._features: npt.NDArray[np.float16] = np.load(folder / "features.npy")
        self.categories = Categories.of(
            from_json((folder / TAXONOMY_FILE).read_bytes()), self._items["category"].unique()
        )
        about = json.loads((folder / "about.json").read_text())
        self.vgg16_weights: str = about["vgg16_weights"]
        self.image_size: int = about["image_size"]

    @property
    def unlabelled(self) -> list[list[str]]:
        """The words of each distinct text without a label."""
        return [text.split() for text in pd.read_parquet(self.folder / "unlabelled.parquet")["words"]]

    @property
    def partly_labelled(self) -> PartlyLabelled:
        rows = pd.read_parquet(self.folder / PARTLY_LABELLED)
        below = {code: self.categories.below(code) for code in rows["category"].unique()}
        usable = [(text.split(), below[code]) for text, code in zip(rows["words"], rows["category"], strict=True)]
        usable = [(text, classes) for text, classes in usable if len(classes)]
        return PartlyLabelled([text for text, _ in usable], [classes for _, classes in usable])

    @property
    def digest(self) -> str:
        """The sha256 of everything that a model learns from."""
        files = (
            *("items.parquet", TAXONOMY_FILE, "features.npy"),
            *("validation_float.npy", "unlabelled.parquet", PARTLY_LABELLED, "about.json"),
        )
        return hashlib.sha256("".join(sha256(self.folder / name) for name in files).encode()).hexdigest()

    @property
    def rows(self) -> dict[str, int]:
        """The number of labelled items per split."""
        counts = self._items["split"].value_counts()
        return {name: int(counts.get(name, 0)) for name in (TRAIN, VALIDATION, TEST)}

    def split(self, name: str) -> Items:
        """Return the items of `train`, `validation` or `test`."""
        return self._read(self._items[self._items["split"] == name])

    def sample(self, size: int, seed: int) -> Items:
        """Return `size` items of all splits, drawn by the seed, or all if there are fewer."""
        return self._read(self._items.sample(min(size, len(self._items)), random_state=seed).sort_index())

    def known(self) -> KnownItems:
        """Return every labelled item, for the bundle that is trained on them."""
        distinct = self._items.drop_duplicates(["identity", "category"]).sort_values(["identity", "category"])
        return KnownItems(
            identities=distinct["identity"].to_numpy(),
            codes=distinct["category"].to_numpy(np.str_),
            learned=(distinct["split"] != TEST).to_numpy(),
        )

    def validation_in_float(self) -> Items:
        """Return the items of `validation` with features by VGG16 in floating point instead of int8."""
        items = self.split(VALIDATION)
        features = np.full_like(items.features, np.nan)
        if items.has_image.any():
            features[items.has_image] = np.load(self.folder / "validation_float.npy")
        return replace(items, features=features)

    def _read(self, rows: pd.DataFrame) -> Items:
        indices = rows["feature"].to_numpy()
        features = np.full((len(rows), self._features.shape[1]), np.nan, np.float16)
        features[indices >= 0] = self._features[indices[indices >= 0]]
        return Items(
            rows=rows["row"].to_numpy(),
            identities=rows["identity"].to_numpy(),
            words=[text.split() for text in rows["words"]],
            features=features,
            classes=self.categories.classes(rows["category"]),
            categories=self.categories,
        )
