"""DVC stage `train`: the LSTM, the VGG16 head, their fusion, and the bundle that holds them."""

import logging
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from shared.model.bundle import (
    BACKBONE_OPENVINO,
    BACKBONE_WEIGHTS,
    IMAGE_KERAS,
    IMAGE_OPENVINO,
    TEXT_KERAS,
    TEXT_OPENVINO,
    VOCABULARY,
    Bundle,
)
from shared.model.fusion import Probabilities, fuse
from shared.model.text import TextEncoder
from shared.taxonomy import CODES
from training import tracking
from training.export import export_keras, export_text, save_keras
from training.fusion import fit_fusion, out_of_fold, unfitted
from training.layout import BUNDLE, HISTORY, PREPARED, TRAINING_REPORT
from training.networks import image_network, text_network
from training.params import ImageParams, TextParams, TrainParams, load_params
from training.prepared import TRAIN, VALIDATION, Items, Prepared
from training.progress import EpochBar
from training.review import choose_threshold, judged, review_figures
from training.scores import score

log = logging.getLogger(__name__)

# A small catalogue gets small batches, so that an epoch has enough steps to learn from.
_SMALLEST_BATCH, _STEPS = 8, 64

History = list[dict[str, float]]


def train(prepared: Prepared, bundle_folder: Path, report: Path, params: TrainParams) -> Bundle:
    """Fit everything and seal the bundle; writes `history.csv` (a row per branch and epoch) into `report`."""
    keras.utils.set_random_seed(params.seed)
    tf.config.experimental.enable_op_determinism()
    training, validation = prepared.split(TRAIN), prepared.split(VALIDATION)

    encoder = TextEncoder.fit(training.words, params.text.max_words, params.text.vocabulary, params.text.min_count)
    text, text_history = fit_text(training, validation, encoder, params.text)
    image, image_history = fit_image(training, validation, params.image)

    text_answers = _answers(text, encoder.encode(validation.words), validation.has_text)
    image_answers = _answers(image, validation.features.astype(np.float32), validation.has_image)
    fusion = fit_fusion(text_answers, image_answers, validation.classes)
    held_out = out_of_fold(text_answers, image_answers, validation.classes, params.seed)
    confidence, correct = judged(held_out, validation.classes)
    review = choose_threshold(confidence, correct, params.review.precision)
    metrics = {
        branch: score(answers, validation.classes)
        for branch, answers in {"text": text_answers, "image": image_answers, "fusion": held_out}.items()
    }
    before = score(fuse(unfitted(len(CODES)), text_answers, image_answers).fused, validation.classes)
    metrics["fusion"] |= {
        "calibration_error_before": before["calibration_error"],
        **review_figures(review, confidence, correct),
    }

    report.mkdir(parents=True, exist_ok=True)
    history = {"text": text_history, "image": image_history}
    rows = [{"branch": branch, **epoch} for branch, epochs in history.items() for epoch in epochs]
    pd.DataFrame(rows).to_csv(report / HISTORY, index=False)

    _write_networks(bundle_folder, encoder, text, image, prepared.folder / "backbone")
    return Bundle.seal(
        bundle_folder,
        labels=CODES,
        max_words=encoder.max_words,
        image_size=prepared.image_size,
        vgg16_weights=prepared.vgg16_weights,
        fusion=fusion,
        review=review,
        metrics=metrics,
        data=prepared.digest,
        code=tracking.git_revision(),
    )


def fit_text(training: Items, validation: Items, encoder: TextEncoder, params: TextParams) -> tuple[Any, History]:
    network = text_network(encoder.size, len(CODES), params)
    seen, checked = training.has_text, validation.has_text
    return network, _fit(
        network,
        (encoder.encode(training.words)[seen], training.classes[seen]),
        (encoder.encode(validation.words)[checked], validation.classes[checked]),
        params,
    )


def fit_image(training: Items, validation: Items, params: ImageParams) -> tuple[Any, History]:
    network = image_network(training.features.shape[1], len(CODES), params)
    seen, checked = training.has_image, validation.has_image
    features = training.features[seen].astype(np.float32)
    network.get_layer("standardise").adapt(features)
    return network, _fit(
        network,
        (features, training.classes[seen]),
        (validation.features[checked].astype(np.float32), validation.classes[checked]),
        params,
    )


def _fit(
    network: Any,
    training: tuple[npt.NDArray[Any], npt.NDArray[np.int64]],
    validation: tuple[npt.NDArray[Any], npt.NDArray[np.int64]],
    params: TextParams | ImageParams,
) -> History:
    """Adam with a falling rate, stopped when the validation loss no longer improves; the best epoch is kept."""
    batch_size = min(params.batch_size, max(_SMALLEST_BATCH, len(training[0]) // _STEPS))
    steps = params.epochs * -(-len(training[0]) // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(params.learning_rate, steps)
    network.compile(
        optimizer=keras.optimizers.Adam(rate, clipnorm=1.0),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    stop = keras.callbacks.EarlyStopping("val_accuracy", patience=params.patience, restore_best_weights=True)
    fitted = network.fit(
        *training,
        validation_data=validation,
        epochs=params.epochs,
        batch_size=batch_size,
        callbacks=[stop, EpochBar(network.name)],
        verbose=0,
    )
    columns = fitted.history
    return [
        {"epoch": float(epoch), **{name: float(values[epoch]) for name, values in columns.items()}}
        for epoch in range(len(columns["loss"]))
    ]


def _answers(network: Any, inputs: npt.NDArray[Any], present: npt.NDArray[np.bool_]) -> Probabilities:
    """(items, classes), rows of NaN where the branch has no input."""
    answers = np.full((len(inputs), len(CODES)), np.nan, np.float32)
    if present.any():
        answers[present] = network.predict(inputs[present], batch_size=256, verbose=0)
    return answers


def _write_networks(folder: Path, encoder: TextEncoder, text: Any, image: Any, backbone: Path) -> None:
    """Into a folder that holds nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    encoder.save(folder / VOCABULARY)
    save_keras(text, folder / TEXT_KERAS)
    save_keras(image, folder / IMAGE_KERAS)
    export_text(text, folder / TEXT_OPENVINO)
    export_keras(image, folder / IMAGE_OPENVINO)
    for name in (BACKBONE_WEIGHTS, BACKBONE_OPENVINO, str(Path(BACKBONE_OPENVINO).with_suffix(".bin"))):
        shutil.copyfile(backbone / name, folder / name)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    params = load_params().train
    with tracking.start(params) as run:
        bundle = train(Prepared(PREPARED), BUNDLE, TRAINING_REPORT, params)
        run.log_training(bundle, params, pd.read_csv(TRAINING_REPORT / HISTORY))
        (TRAINING_REPORT / tracking.RUN_FILE).write_text(run.ids.model_dump_json(indent=1) + "\n")
    log.info("bundle %s in %s, on the validation split:", bundle.version, BUNDLE)
    for branch, figures in bundle.manifest.metrics.items():
        log.info("  %-6s weighted F1 %.3f over %d items", branch, figures.get("weighted_f1", 0), figures["items"])


if __name__ == "__main__":
    main()
