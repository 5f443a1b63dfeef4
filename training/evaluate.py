"""DVC stage `evaluate`: scores the exported bundle on the runtime that will serve it, over the test split."""

import json
import logging
from pathlib import Path

import pandas as pd

from shared.model import runtimes
from shared.model.bundle import Bundle
from shared.model.review import Review
from shared.pipeline.params import Params, load_params
from shared.registry.mlflow import register
from shared.settings import get_settings
from training.judge.answers import BundleAnswers, answer
from training.judge.cascade import cascade_figures
from training.judge.keras_answers import keras_prediction
from training.judge.levels import level_figures, tree_figures
from training.judge.report import write_report
from training.judge.report.model_card import FILE as MODEL_CARD
from training.judge.report.model_card import model_card
from training.judge.review import judged, review_figures
from training.judge.scores import Metrics, score
from training.pipeline import tracking
from training.pipeline.layout import (
    BUNDLE,
    EVALUATION_REPORT,
    FEATURE_STORE,
    HISTORY,
    IMPORTED,
    LISTED_SOURCE,
    PREPARED,
    TRAINING_REPORT,
)
from training.pipeline.prepared import Items, Prepared
from training.pipeline.splits import TEST

log = logging.getLogger(__name__)


def measure(prediction: BundleAnswers, items: Items, review: Review) -> Metrics:
    """Return the figures per branch; the fusion's include those of the cascade and of the review thresholds."""
    classes, levels = items.classes, items.categories.levels
    branches = {"text": prediction.text, "image": prediction.image, "fusion": prediction.fused}
    metrics = {
        name: score(probabilities, classes) | tree_figures(probabilities, classes, levels)
        for name, probabilities in branches.items()
    }
    metrics["fusion"] |= review_figures(review, *judged(prediction.fused, classes))
    metrics["fusion"] |= level_figures(review, prediction.fused, classes, levels)
    metrics["fusion"] |= cascade_figures(prediction.always, prediction.not_looked_at, items)
    return metrics


def evaluate(bundle: Bundle, items: Items, history: Path, imported: Path, feature_store: Path, report: Path) -> Metrics:
    """Return the figures per branch, and write the report (`training.judge.report.write_report`).

    `keras_weighted_f1` is the weighted F1 of the Keras networks in single precision on the same items.
    """
    prediction = answer(bundle, runtimes.load(bundle), items)
    metrics = measure(prediction, items, bundle.manifest.review)
    reference = measure(keras_prediction(bundle, items, imported, feature_store), items, bundle.manifest.review)
    for branch, figures in metrics.items():
        if "weighted_f1" in figures:
            figures["keras_weighted_f1"] = reference[branch]["weighted_f1"]
    write_report(report, metrics, prediction, items, bundle.manifest.review, history, imported)
    return metrics


def _write_model_card(bundle: Bundle, prepared: Prepared, metrics: Metrics, params: Params) -> None:
    categories = pd.read_csv(EVALUATION_REPORT / "per_class.csv", dtype={"code": str, "confused_with": str})
    source = json.loads(LISTED_SOURCE.read_text(encoding="utf-8"))["source"]
    card = model_card(bundle, prepared.rows, metrics, categories, source, params.evaluate.data_licence)
    (EVALUATION_REPORT / MODEL_CARD).write_text(card, encoding="utf-8")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    params, bundle, history = load_params(), Bundle.load(BUNDLE), TRAINING_REPORT / HISTORY
    name = get_settings().registered_model
    with tracking.resume(TRAINING_REPORT, bundle, params.train) as run:
        prepared = Prepared(PREPARED)  # within the run, so that missing files end it as failed
        metrics = evaluate(bundle, prepared.split(TEST), history, IMPORTED, FEATURE_STORE, EVALUATION_REPORT)
        _write_model_card(bundle, prepared, metrics, params)
        run.log_evaluation(metrics, EVALUATION_REPORT)
        figures = {f"test.{branch}.weighted_f1": scores.get("weighted_f1", 0.0) for branch, scores in metrics.items()}
        version = register(bundle, name, run.ids.parent, figures)
        run_page = run.page
    log.info("bundle %s is version %s of %s; on the test split:", bundle.id, version, name)
    for branch, scores in metrics.items():
        log.info("  %-6s weighted F1 %.3f over %d items", branch, scores.get("weighted_f1", 0), scores["items"])
    if run_page:
        log.info("the training in MLflow: %s", run_page)


if __name__ == "__main__":
    main()
