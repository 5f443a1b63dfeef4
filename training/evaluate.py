"""DVC stage `evaluate`: the exported bundle, on the runtime that will serve it, over the test split."""

import json
import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import classification_report

from shared.model import runtimes
from shared.model.bundle import Bundle
from shared.model.fusion import Probabilities, Verdict, fuse
from shared.registry import register
from shared.taxonomy import CODES, PRODUCT_TYPES
from training import tracking
from training.layout import BUNDLE, EVALUATION_REPORT, PREPARED, TRAINING_REPORT
from training.params import load_params
from training.prepared import TEST, Items, Prepared
from training.review import judged, review_figures
from training.scores import score

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


def evaluate(bundle: Bundle, items: Items, report: Path) -> dict[str, dict[str, float]]:
    """Figures per branch; writes `metrics.json`, `confusion.csv` and `per_class.csv` into `report`."""
    verdict = answer(bundle, runtimes.load(bundle), items)
    branches = {"text": verdict.text, "image": verdict.image, "fusion": verdict.fused}
    metrics = {name: score(probabilities, items.classes) for name, probabilities in branches.items()}
    metrics["fusion"] |= review_figures(bundle.manifest.review, *judged(verdict.fused, items.classes))
    report.mkdir(parents=True, exist_ok=True)
    (report / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    _write_tables(verdict.fused, items, report)
    return metrics


def _write_tables(fused: Probabilities, items: Items, report: Path) -> None:
    spoke = ~np.isnan(fused[:, 0])
    codes = np.array(CODES)
    actual, predicted = codes[items.classes[spoke]], codes[fused[spoke].argmax(axis=1)]
    pd.DataFrame({"actual": actual, "predicted": predicted}).to_csv(report / "confusion.csv", index=False)
    table = classification_report(actual, predicted, labels=codes, output_dict=True, zero_division=0)
    rows = [
        {"prdtypecode": code, "name": PRODUCT_TYPES[code], **{key: round(v, 4) for key, v in table[str(code)].items()}}
        for code in CODES
    ]
    pd.DataFrame(rows).to_csv(report / "per_class.csv", index=False)


def _batches(present: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.int64]]:
    rows = np.flatnonzero(present)
    return [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    params = load_params().evaluate
    bundle = Bundle.load(BUNDLE)
    training_run = tracking.run_id(TRAINING_REPORT)
    with tracking.run("rakuten-classification-evaluation", EVALUATION_REPORT, parent=training_run) as run:
        metrics = evaluate(bundle, Prepared(PREPARED).split(TEST), EVALUATION_REPORT)
        run.log_metrics(metrics, prefix="test")
        run.log_files(EVALUATION_REPORT)
    figures = {f"test.{branch}.weighted_f1": scores.get("weighted_f1", 0.0) for branch, scores in metrics.items()}
    version = register(bundle, params.registered_model, training_run, figures)
    log.info("bundle %s is version %s of %s; on the test split:", bundle.version, version, params.registered_model)
    for branch, scores in metrics.items():
        log.info("  %-6s weighted F1 %.3f over %d items", branch, scores.get("weighted_f1", 0), scores["items"])


if __name__ == "__main__":
    main()
