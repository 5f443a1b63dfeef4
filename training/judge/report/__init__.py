"""Writes the report of an evaluation: tables, and the figures drawn from them."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from shared.model.fusion import Prediction
from shared.model.review import Review
from shared.taxonomy import CODES
from training.judge.report.charts import draw_confusion, draw_coverage, draw_learning_curves, draw_reliability
from training.judge.report.mistakes import draw_mistakes, list_mistakes
from training.judge.review import judged
from training.judge.scores import Classes, Metrics, confusion, coverage_curve, per_class, reliability
from training.pipeline.prepared import Items

_PLACES = 4


def write_report(
    folder: Path, metrics: Metrics, prediction: Prediction, items: Items, review: Review, history: Path, imported: Path
) -> None:
    """Write every table and figure into `folder`; the same arguments give the same bytes.

    metrics.json; per_class, confusion, reliability, coverage and mistakes as CSV; confusion, reliability, coverage,
    learning_curves and mistakes as PNG. `history` is the training's history.csv, and `imported` is the folder that
    `import_data` wrote.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    _report_confusion(folder, prediction, items.classes)
    _report_reliability(folder, prediction, items.classes)
    _report_coverage(folder, prediction, items.classes, review, metrics["fusion"])
    draw_learning_curves(pd.read_csv(history), folder / "learning_curves.png")
    mistakes = list_mistakes(prediction, items, pd.read_parquet(imported / "products.parquet"))
    mistakes.to_csv(folder / "mistakes.csv", index=False)
    draw_mistakes(mistakes, imported, folder / "mistakes.png")


def _report_confusion(folder: Path, prediction: Prediction, classes: Classes) -> None:
    counts = confusion(prediction.fused, classes)
    per_class(counts).to_csv(folder / "per_class.csv", index=False)
    draw_confusion(counts, folder / "confusion.png")
    # A row per item, which is what DVC's template counts.
    spoke, codes = ~np.isnan(prediction.fused[:, 0]), np.array(CODES)
    pairs = {"actual": codes[classes[spoke]], "predicted": codes[prediction.fused[spoke].argmax(axis=1)]}
    pd.DataFrame(pairs).to_csv(folder / "confusion.csv", index=False)


def _report_reliability(folder: Path, prediction: Prediction, classes: Classes) -> None:
    branches = {"fusion": prediction.fused, "text": prediction.text, "image": prediction.image}
    tables = [reliability(answers, classes).assign(branch=branch) for branch, answers in branches.items()]
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(folder / "reliability.csv", index=False, float_format="%.6f")
    draw_reliability(table, folder / "reliability.png")


def _report_coverage(
    folder: Path, prediction: Prediction, classes: Classes, review: Review, achieved: Mapping[str, float]
) -> None:
    curve = coverage_curve(*judged(prediction.fused, classes))
    curve.to_csv(folder / "coverage.csv", index=False, float_format="%.6f")
    draw_coverage(curve, review, achieved, folder / "coverage.png")


__all__ = [
    "model_card",
    "write_report",
]
