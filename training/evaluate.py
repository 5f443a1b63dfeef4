"""DVC stage `evaluate`: the exported bundle, on the runtime that will serve it, over the test split."""

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.model import runtimes
from shared.model.bundle import Bundle
from shared.model.fusion import Verdict, fuse
from shared.model.review import Review
from shared.registry import register
from shared.taxonomy import CODES
from training import tracking
from training.layout import BUNDLE, EVALUATION_REPORT, HISTORY, IMPORTED, PREPARED, TRAINING_REPORT
from training.params import load_params
from training.prepared import TEST, Items, Prepared
from training.report import write_report
from training.review import judged, review_figures
from training.scores import Classes, Metrics, score

log = logging.getLogger(__name__)

_BATCH = 256


def answer(bundle: Bundle, runtime: runtimes.Runtime, items: Items) -> Verdict:
    """What the bundle says of prepared items, branch by branch and fused."""
    tokens, features = bundle.text_encoder().encode(items.words), items.features.astype(np.float32)
    text = np.full((len(items.words), len(CODES)), np.nan, np.float32)
    image = text.copy()
    for rows in _batches(items.has_text):
        text[rows] = runtime.text(tokens[rows])
    for rows in _batches(items.has_image):
        image[rows] = runtime.image(features[rows])
    return fuse(bundle.manifest.fusion, text, image)


def measure(verdict: Verdict, classes: Classes, review: Review) -> Metrics:
    """Figures per branch; the fusion's tell also what the review threshold comes to."""
    branches = {"text": verdict.text, "image": verdict.image, "fusion": verdict.fused}
    metrics = {name: score(probabilities, classes) for name, probabilities in branches.items()}
    metrics["fusion"] |= review_figures(review, *judged(verdict.fused, classes))
    return metrics


def evaluate(bundle: Bundle, items: Items, history: Path, imported: Path, report: Path) -> Metrics:
    """Figures per branch; writes into `report` what `training.report.write_report` lists."""
    verdict = answer(bundle, runtimes.load(bundle), items)
    metrics = measure(verdict, items.classes, bundle.manifest.review)
    write_report(report, metrics, verdict, items, bundle.manifest.review, history, imported)
    return metrics


def _batches(present: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.int64]]:
    rows = np.flatnonzero(present)
    return [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    params, bundle, history = load_params(), Bundle.load(BUNDLE), TRAINING_REPORT / HISTORY
    name = params.evaluate.registered_model
    with tracking.resume(TRAINING_REPORT, bundle, params.train) as run:
        metrics = evaluate(bundle, Prepared(PREPARED).split(TEST), history, IMPORTED, EVALUATION_REPORT)
        run.log_evaluation(metrics, EVALUATION_REPORT)
        figures = {f"test.{branch}.weighted_f1": scores.get("weighted_f1", 0.0) for branch, scores in metrics.items()}
        version = register(bundle, name, run.ids.parent, figures)
    log.info("bundle %s is version %s of %s; on the test split:", bundle.version, version, name)
    for branch, scores in metrics.items():
        log.info("  %-6s weighted F1 %.3f over %d items", branch, scores.get("weighted_f1", 0), scores["items"])


if __name__ == "__main__":
    main()
