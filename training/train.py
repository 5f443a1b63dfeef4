"""DVC stage `train`: fits the LSTM, the VGG16 head and their fusion, and seals the bundle that holds them."""

import logging
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from shared.drift.profile import Profile, Reference, Seen
from shared.model import golden, runtimes
from shared.model.bundle import FLOAT, IMAGE, INT8, KNOWN, REFERENCE, TEXT, VOCABULARY, Bundle
from shared.model.cascade import Cascade, Mask, fuse_cascaded, not_looked_at
from shared.model.fusion import Fusion, Probabilities, fuse
from shared.model.review import Review
from shared.model.text import TextEncoder, unknown_share
from shared.model.weights import save_weights
from shared.pipeline.params import TextParams, TrainParams, load_params
from training.fit.cascade import fit_cascade
from training.fit.fusion import fit_fusion, out_of_fold, unfitted
from training.fit.image import fit_image
from training.fit.text import fit_text, predict_text
from training.judge.cascade import cascade_figures
from training.judge.levels import choose_levels, level_figures, tree_figures
from training.judge.review import choose_threshold, judged, review_figures
from training.judge.scores import Metrics, score
from training.pipeline import tracking
from training.pipeline.layout import BUNDLE, HISTORY, PREPARED, TRAINING_REPORT
from training.pipeline.prepared import Items, Prepared
from training.pipeline.splits import TRAIN, VALIDATION
from training.vgg16.backbone_files import copy_backbone

log = logging.getLogger(__name__)


def train(prepared: Prepared, bundle_folder: Path, report: Path, params: TrainParams) -> Bundle:
    """Fit everything and seal the bundle; write `history.csv` (a row per network and epoch) into `report`."""
    keras.utils.set_random_seed(params.seed)
    tf.config.experimental.enable_op_determinism()
    training, validation = prepared.split(TRAIN), prepared.split(VALIDATION)
    unlabelled, partly = prepared.unlabelled, prepared.partly_labelled

    encoder = _encoder([*training.words, *unlabelled, *partly.texts], params.text)
    text, histories = fit_text(training, validation, unlabelled, partly, encoder, params.text, params.seed)
    image, histories["image"] = fit_image(training, validation, params.image, params.seed)
    report.mkdir(parents=True, exist_ok=True)
    rows = [{"branch": name, **epoch} for name, epochs in histories.items() for epoch in epochs]
    pd.DataFrame(rows).to_csv(report / HISTORY, index=False)
    _write_networks(bundle_folder, encoder, text, image, prepared.folder / "backbone")

    text_answers, image_answers = _text_answers(text, encoder, validation), _image_answers(image, validation)
    decision = _decide(text_answers, image_answers, validation, params)
    reference = _reference(encoder, validation, decision, text_answers)
    (bundle_folder / REFERENCE).write_text(reference.model_dump_json(indent=1) + "\n")
    in_float = _image_answers(image, prepared.validation_in_float())
    evaluated = {
        INT8: decision.weighted_f1(text_answers, image_answers, validation),
        FLOAT: decision.weighted_f1(text_answers, in_float, validation),
    }
    prepared.known().save(bundle_folder / KNOWN)
    facts = {
        "labels": prepared.categories.codes,
        "max_words": encoder.max_words,
        "max_subwords": encoder.max_subwords,
        "image_size": prepared.image_size,
        "vgg16_weights": prepared.vgg16_weights,
        "fusion": decision.fusion,
        "cascade": decision.cascade,
        "review": decision.review,
        "metrics": _metrics(decision, text_answers, image_answers, validation),
        "evaluated": evaluated,
        "data": prepared.digest,
        "code": tracking.git_revision(),
    }
    without_golden = Bundle.seal(bundle_folder, prepared.categories.taxonomy, **facts)
    golden.write(without_golden, runtimes.load(without_golden, "openvino"))
    return Bundle.seal(bundle_folder, prepared.categories.taxonomy, **facts)


def _encoder(texts: list[list[str]], params: TextParams) -> TextEncoder:
    return TextEncoder.fit(
        texts,
        max_words=params.max_words,
        max_subwords=params.max_subwords,
        size=params.vocabulary,
        min_count=params.min_count,
    )


def _text_answers(network: Any, encoder: TextEncoder, items: Items) -> Probabilities:
    """Return probabilities (items, classes), a row of NaN for an item without a text."""
    answers = _no_answers(items)
    rows = np.flatnonzero(items.has_text)
    answers[rows] = predict_text(network, encoder, [items.words[row] for row in rows])
    return answers


def _image_answers(network: Any, items: Items) -> Probabilities:
    """Return probabilities (items, classes), a row of NaN for an item without a picture."""
    answers = _no_answers(items)
    if items.has_image.any():
        answers[items.has_image] = network.predict_on_batch(items.features[items.has_image].astype(np.float32))
    return answers


@dataclass(frozen=True)
class _Decision:
    """How the branches' answers become the model's, fitted on the validation split, and what it gives there."""

    fusion: Fusion
    cascade: Cascade | None
    review: Review
    held_out: Probabilities
    """Each item's answer by a fusion that was fitted without it, (items, classes)."""
    always: Probabilities
    """The same with every picture looked at."""

    def skipped(self, text: Probabilities, items: Items) -> Mask:
        return not_looked_at(self.cascade, text, items.has_image)

    def weighted_f1(self, text: Probabilities, image: Probabilities, items: Items) -> float:
        skipped = self.skipped(text, items)
        answers = fuse_cascaded(self.fusion, self.cascade, text, image, items.lengths, skipped).fused
        return score(answers, items.classes).get("weighted_f1", 0.0)


def _decide(text: Probabilities, image: Probabilities, items: Items, params: TrainParams) -> _Decision:
    """Fit the fusion, the cascade and the review thresholds, each on answers that were given out of fold."""
    classes, precision = items.classes, params.review.precision
    lengths = items.lengths
    always = out_of_fold(text, image, lengths, classes, params.seed)
    cascade = fit_cascade(text, image, always, classes, params.cascade.loss)
    held_out = out_of_fold(text, image, lengths, classes, params.seed, cascade)
    levels = choose_levels(held_out, classes, items.categories.levels, precision)
    review = choose_threshold(*judged(held_out, classes), precision).model_copy(update={"levels": levels})
    return _Decision(fit_fusion(text, image, lengths, classes), cascade, review, held_out, always)


def _metrics(decision: _Decision, text: Probabilities, image: Probabilities, items: Items) -> Metrics:
    """Return the figures of each branch on the validation split; the fusion's are out of fold."""
    classes, levels, held_out = items.classes, items.categories.levels, decision.held_out
    metrics = {
        branch: score(answers, classes) | tree_figures(answers, classes, levels)
        for branch, answers in {"text": text, "image": image, "fusion": held_out}.items()
    }
    before = score(fuse(unfitted(len(items.categories)), text, image, items.lengths).fused, classes)
    metrics["fusion"] |= {
        "calibration_error_before": before["calibration_error"],
        **review_figures(decision.review, *judged(held_out, classes)),
        **level_figures(decision.review, held_out, classes, levels),
        **cascade_figures(decision.always, decision.skipped(text, items), items),
    }
    return metrics


def _reference(encoder: TextEncoder, items: Items, decision: _Decision, text: Probabilities) -> Reference:
    """Return the profile of the out-of-fold answers, which the bundle is compared with while it serves.

    The fitted answers would promise too much, as they would for the review threshold.
    """
    fused, skipped = decision.held_out, decision.skipped(text, items)
    confidence, correct = judged(fused, items.classes)
    answered = np.flatnonzero(~np.isnan(confidence))
    codes = {row: items.categories.codes[fused[row].argmax()] for row in answered}
    profile = Profile.of(
        Seen(
            code=codes[row],
            confidence=float(confidence[row]),
            words=len(items.words[row]),
            unknown=unknown_share(encoder.ids(items.words[row])),
            picture=bool(items.has_image[row]),
            looked_at=not skipped[row] if items.has_image[row] and decision.cascade else None,
        )
        for row in answered
    )
    accuracy = float(correct[answered].mean()) if len(answered) else 0.0
    right = Counter(codes[row] for row in answered if correct[row])
    return Reference(accuracy=accuracy, counts=dict(sorted(profile.counts.items())), right=dict(sorted(right.items())))


def _no_answers(items: Items) -> Probabilities:
    return np.full((len(items.words), len(items.categories)), np.nan, np.float32)


def _write_networks(folder: Path, encoder: TextEncoder, text: Any, image: Any, backbone: Path) -> None:
    """Write the networks into a folder that holds nothing else; rounds their weights to what is stored."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    np.save(folder / VOCABULARY, encoder.vocabulary)
    save_weights(text, folder / TEXT)
    save_weights(image, folder / IMAGE)
    copy_backbone(backbone, folder)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    params = load_params().train
    with tracking.start(params) as run:
        bundle = train(Prepared(PREPARED), BUNDLE, TRAINING_REPORT, params)
        run.log_training(bundle, params, pd.read_csv(TRAINING_REPORT / HISTORY))
        (TRAINING_REPORT / tracking.RUN_FILE).write_text(run.ids.model_dump_json(indent=1) + "\n")
    log.info("bundle %s in %s, on the validation split:", bundle.id, BUNDLE)
    for branch, figures in bundle.manifest.metrics.items():
        log.info("  %-6s weighted F1 %.3f over %d items", branch, figures.get("weighted_f1", 0), figures["items"])


if __name__ == "__main__":
    main()
