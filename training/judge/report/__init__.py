"""Writes the report of an evaluation: tables, and the figures drawn from them."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from shared.model.review import Review
from training.judge.answers import BundleAnswers
from training.judge.report.charts import (
    draw_confusion,
    draw_coverage,
    draw_learning_curves,
    draw_reliability,
    drawn_categories,
)
from training.judge.report.mistakes import draw_mistakes, list_mistakes
from training.judge.review import judged
from training.judge.scores import Classes, Metrics, confusion, coverage_curve, per_class, reliability
from training.pipeline.prepared import Items

_PLACES = 4
_PLOTTED = 60
"""Categories whose F1 DVC plots."""
_OTHERS = "others"
"""In confusion.csv: the categories that the drawing shows together."""


def write_report(
    folder: Path,
    metrics: Metrics,
    prediction: BundleAnswers,
    items: Items,
    review: Review,
    history: Path,
    imported: Path,
) -> None:
    """Write every table and figure into `folder`; the same arguments give the same bytes.

    metrics.json; per_class, most_frequent, confusion, reliability, coverage and mistakes as CSV; confusion,
    reliability, coverage, learning_curves and mistakes as PNG. `history` is the training's history.csv, and `imported`
    is the folder that `import_data` wrote.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    _report_confusion(folder, prediction, items)
    _report_reliability(folder, prediction, items.classes)
    _report_coverage(folder, prediction, items.classes, review, metrics["fusion"])
    draw_learning_curves(pd.read_csv(history), folder / "learning_curves.png")
    mistakes = list_mistakes(prediction, items, pd.read_parquet(imported / "products.parquet"))
    mistakes.to_csv(folder / "mistakes.csv", index=False)
    draw_mistakes(mistakes, items.categories.taxonomy, imported, folder / "mistakes.png")


def _report_confusion(folder: Path, prediction: BundleAnswers, items: Items) -> None:
    classes, categories = items.classes, items.categories
    counts = confusion(prediction.fused, classes)
    table = per_class(counts, categories)
    table.to_csv(folder / "per_class.csv", index=False)
    frequent = np.sort(np.argsort(-table["support"].to_numpy(), kind="stable")[:_PLOTTED])
    table.iloc[frequent].to_csv(folder / "most_frequent.csv", index=False)
    draw_confusion(counts, categories.names, folder / "confusion.png")
    # A row per item, which is what DVC's template counts; the same categories as in the drawing have rows of their own.
    spoke = ~np.isnan(prediction.fused[:, 0])
    shown = set(categories.codes_of(drawn_categories(counts)).tolist())
    pairs = pd.DataFrame(
        {
            "actual": categories.codes_of(classes[spoke]),
            "predicted": categories.codes_of(prediction.fused[spoke].argmax(axis=1)),
        }
    )
    pairs.where(pairs.isin(shown), _OTHERS).to_csv(folder / "confusion.csv", index=False)


def _report_reliability(folder: Path, prediction: BundleAnswers, classes: Classes) -> None:
    branches = {"fusion": prediction.fused, "text": prediction.text, "image": prediction.image}
    tables = [reliability(answers, classes).assign(branch=branch) for branch, answers in branches.items()]
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(folder / "reliability.csv", index=False, float_format="%.6f")
    draw_reliability(table, folder / "reliability.png")


def _report_coverage(
    folder: Path, prediction: BundleAnswers, classes: Classes, review: Review, achieved: Mapping[str, float]
) -> None:
    curve = coverage_curve(*judged(prediction.fused, classes))
    curve.to_csv(folder / "coverage.csv", index=False, float_format="%.6f")
    draw_coverage(curve, review, achieved, folder / "coverage.png")


__all__ = [
    "model_card",
    "write_report",
]
