"""A catalogue without a single picture is trained, judged and served by its texts."""

from pathlib import Path

import numpy as np

from benchmarks import invented_catalogue
from shared.model import golden, runtimes
from shared.model.bundle import Bundle
from shared.model.fusion import fuse
from shared.pipeline.params import load_params
from training.evaluate import evaluate
from training.pipeline.layout import HISTORY
from training.pipeline.prepared import Prepared
from training.pipeline.splits import TEST
from training.train import train


def test_a_catalogue_of_texts_alone_is_trained_and_judged(tmp_path: Path) -> None:
    prepared = Prepared(invented_catalogue.write(tmp_path, leaves=12, items=600, pictures=False))
    params = load_params().train
    text = params.text.model_copy(update={"epochs": 6, "vocabulary": 3000, "units": 32, "embedding": 32})
    trained = train(prepared, tmp_path / "bundle", tmp_path / "report", params.model_copy(update={"text": text}))
    bundle = Bundle.load(trained.folder)
    assert (bundle.manifest.fusion.image, bundle.manifest.fusion.text > 0) == (0, True)
    test = prepared.split(TEST)
    arguments = (tmp_path / "report" / HISTORY, tmp_path / "imported", tmp_path / "store", tmp_path / "evaluation")
    figures = evaluate(bundle, test, *arguments)
    assert figures["fusion"]["weighted_f1"] > 0.4
    assert figures["image"] == {"items": 0}
    assert golden.verify(bundle, runtimes.load(bundle)) is not None


def test_a_picture_has_no_say_where_none_was_learned_from(tmp_path: Path) -> None:
    prepared = Prepared(invented_catalogue.write(tmp_path, leaves=4, items=80, pictures=False))
    params = load_params().train
    text = params.text.model_copy(update={"epochs": 1, "vocabulary": 500, "units": 8, "embedding": 8})
    bundle = train(prepared, tmp_path / "bundle", tmp_path / "report", params.model_copy(update={"text": text}))
    runtime, width = runtimes.load(bundle), len(bundle.codes)
    features = np.abs(np.random.default_rng(1).normal(size=(1, prepared.split(TEST).features.shape[1])))
    image = runtime.image(features.astype(np.float32))
    assert np.allclose(image, 1 / width, atol=1e-3), "it finds every category equally likely"
    text_alone = np.full((1, width), 0.1 / (width - 1), np.float32)
    text_alone[0, 2], lengths = 0.9, np.array([8])
    with_picture = fuse(bundle.manifest.fusion, text_alone, image, lengths).fused
    without = fuse(bundle.manifest.fusion, text_alone, np.full_like(image, np.nan), lengths).fused
    assert np.allclose(with_picture, without, atol=1e-4)
