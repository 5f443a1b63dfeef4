"""The quality of each point of the curve: heads trained on its features, fused with the starter's text network."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from shared.model.bundle import Bundle
from shared.model.fusion import Probabilities
from shared.model.runtimes.openvino import OpenVINORuntime
from shared.pipeline.params import ImageParams, PreprocessParams
from shared.taxonomy import TAXONOMY_FILE, from_json
from training.fit.fusion import out_of_fold
from training.fit.image import fit_image
from training.judge import bootstrap
from training.judge.answers import answer
from training.pipeline.categories import Categories
from training.pipeline.layout import STARTER
from training.pipeline.prepared import Items
from training.pipeline.splits import TRAIN, identify, split
from training.preprocess import joined_words
from training.vgg16.features import FeatureStore

_FOLD_SEED = 7
_DRAW_SEED = 1
_WIDTH = 2048

Answers = npt.NDArray[np.float32]
"""(seeds, items, classes)."""
Rows = npt.NDArray[np.bool_]
"""A mask over a catalogue's items."""


class Catalogue:
    """The imported products, split as the pipeline splits them: the starter has not seen what is not in `training`."""

    def __init__(self, imported: Path, params: PreprocessParams) -> None:
        self.pictures = imported / "pictures.parquet"
        self._products = pd.read_parquet(imported / "products.parquet")
        taxonomy = from_json((imported / TAXONOMY_FILE).read_bytes())
        self._categories = Categories.of(taxonomy, self._products["category"])
        self._texts = joined_words(self._products["title"], self._products["description"])
        self._identities = identify(self._texts, self._products["picture"])
        self.training: Rows = split(self._identities, self._products["category"].to_numpy(np.str_), params) == TRAIN
        self.has_picture: Rows = self._products["picture"].notna().to_numpy()

    def hashes(self, rows: Rows) -> set[str]:
        """sha256 of the pictures of these items."""
        return set(self._products["picture"][rows & self.has_picture])

    def rows_with(self, hashes: set[str]) -> Rows:
        return np.asarray(self._products["picture"].isin(hashes).to_numpy(), bool)

    def drawn(self, count: int) -> set[str]:
        """sha256 of `count` pictures of the evaluation's items and as many of the training's alone; all that there are,
        where there are fewer."""
        random = np.random.default_rng(_DRAW_SEED)
        evaluation = self.hashes(~self.training)
        parts = sorted(evaluation), sorted(self.hashes(self.training) - evaluation)
        return {sha256 for part in parts for sha256 in random.choice(part, min(count, len(part)), replace=False)}

    def items(self, rows: Rows, store: FeatureStore | None = None) -> Items:
        """With the store's features; without pictures where there is none."""
        products = self._products[rows]
        features = np.full((len(products), _WIDTH), np.nan, np.float16)
        if store is not None:
            features[self.has_picture[rows]] = store.matrix(products["picture"].dropna())
        return Items(
            rows=products["row"].to_numpy(),
            identities=self._identities[rows],
            words=[self._texts[row].split() for row in np.flatnonzero(rows)],
            features=features,
            classes=self._categories.classes(products["category"]),
            categories=self._categories,
        )


def answers(
    training: Items, evaluation: Items, params: ImageParams, seeds: Sequence[int], kept: Path
) -> tuple[Answers, Answers]:
    """Answers of a head per seed: alone (rows of NaN without a picture), and fused with the starter's text network.

    Each item is fused by weights that were fitted without it. Kept in the file `kept`, as fitting takes minutes.
    """
    if not kept.is_file():
        text = _text_answers(evaluation)
        image = np.stack([_fitted(training, evaluation, params, seed) for seed in seeds])
        fused = np.stack([out_of_fold(text, one, evaluation.lengths, evaluation.classes, _FOLD_SEED) for one in image])
        np.savez(kept, image=image, fused=fused)
    with np.load(kept) as arrays:
        return arrays["image"], arrays["fused"]


def _text_answers(items: Items) -> Probabilities:
    """Answers of the starter's text network in single precision: (items, classes)."""
    bundle = Bundle.load(STARTER)
    silent = replace(items, features=np.full_like(items.features, np.nan))
    return answer(bundle, OpenVINORuntime(bundle, "f32"), silent).text


def _fitted(training: Items, evaluation: Items, params: ImageParams, seed: int) -> Probabilities:
    keras.utils.set_random_seed(seed)
    head, _ = fit_image(training, evaluation, params, seed)
    found, seen = np.full((len(evaluation.words), len(evaluation.categories)), np.nan, np.float32), evaluation.has_image
    found[seen] = head.predict_on_batch(evaluation.features[seen].astype(np.float32))
    return found


def weighted_f1(
    answers: Answers, classes: npt.NDArray[np.int64], counts: npt.NDArray[np.float64] | None = None
) -> float:
    """The mean over the seeds; `counts` says how many times each item is there, once by default."""
    return float(np.mean([_weighted_f1(one.argmax(axis=-1), classes, one.shape[-1], counts) for one in answers]))


def standard_error(answers: Answers, others: Answers, classes: npt.NDArray[np.int64], resamplings: int = 1000) -> float:
    """Standard error of the difference of the two weighted F1, over resampled items (paired bootstrap)."""
    random = np.random.default_rng(_DRAW_SEED)
    items = len(classes)
    drawn = (random.multinomial(items, np.full(items, 1 / items)).astype(float) for _ in range(resamplings))
    return float(np.std([weighted_f1(answers, classes, n) - weighted_f1(others, classes, n) for n in drawn]))


def _weighted_f1(
    predicted: npt.NDArray[np.int64], classes: npt.NDArray[np.int64], width: int, counts: npt.NDArray[np.float64] | None
) -> float:
    drawn = np.ones(len(classes), np.int64) if counts is None else counts.astype(np.int64)
    return float(bootstrap.weighted_f1(drawn[None], classes, predicted, width)[0])
