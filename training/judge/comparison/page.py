"""Writes comparison.html from the verdict, the answers and the report of the evaluation."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.pipeline.stages import GateVerdict
from training.judge.comparison.flips import Compared, categories, data_address, find_flips
from training.judge.report.model_card import FILE as MODEL_CARD
from training.judge.report.model_card import bundle_of

_TEMPLATE = "comparison.html.j2"
_FIGURES = {
    "weighted_f1": "weighted F1",
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "calibration_error": "calibration error",
    "review_coverage": "above the review threshold",
    "review_precision": "of these right",
}
_LINES, _LAST_LINES = 60, 20
"""Categories that are shown, and how many of them are the best if there are more."""
_PLOTS = {
    "confusion": "Where the items of each category went",
    "reliability": "Confidence against the share of right answers",
    "coverage": "How much can be accepted without review",
    "learning_curves": "Learning curves",
}


def write_comparison(path: Path, verdict: GateVerdict, compared: Compared | None, imported: Path, report: Path) -> None:
    """Write the page; everything it shows is in the file.

    Args:
        compared: `None` where there was no item to ask the models.
        imported: the folder with the titles and pictures of these items, as `import_data` leaves it.
        report: what `evaluate` left; a report about another bundle is not shown.
    """
    # The template escapes every value: titles are whatever the catalogue holds.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["condition"] = _condition
    lines = categories(compared) if compared is not None else []
    lists = find_flips(compared, imported) if compared is not None else {}
    page = environment.get_template(_TEMPLATE).render(
        verdict=verdict,
        refused=[_condition(check.name) for check in verdict.checks if not check.passed],
        asked=len(compared.items) if compared is not None else verdict.items,
        decides=compared is None or compared.decides,
        champion=compared is not None and compared.champion is not None,
        categories=_shown(lines),
        all_categories=len(lines),
        first_lines=_LINES - _LAST_LINES,
        last_lines=_LAST_LINES,
        lists=lists,
        figure_names=_FIGURES,
        **_report(report, verdict.challenger),
    )
    path.write_text(page, encoding="utf-8")


def _shown(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first and the last lines, if there are many."""
    return lines if len(lines) <= _LINES else [*lines[: _LINES - _LAST_LINES], *lines[-_LAST_LINES:]]


def _condition(name: str) -> str:
    return name.replace("_", " ").replace("f1", "F1")


def _report(report: Path, bundle: str) -> dict[str, object]:
    card = report / MODEL_CARD
    if not card.is_file() or bundle_of(card.read_text(encoding="utf-8")) != bundle:
        return {"metrics": {}, "plots": []}
    plots = [
        (title, data_address((report / f"{name}.png").read_bytes(), "image/png")) for name, title in _PLOTS.items()
    ]
    return {"metrics": json.loads((report / "metrics.json").read_bytes()), "plots": plots}
