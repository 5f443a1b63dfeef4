"""model_card.md: what a bundle is, what it was made of, how good it is, and where it should not be trusted."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from shared.model.bundle import Bundle
from training.judge.scores import Metrics

FILE = "model_card.md"
_WEAK = 3
"""Categories that are named as the weakest."""
_FEW = 10
"""Items of a category below which its figures say little."""
_BRANCHES = {"text": "text alone", "image": "picture alone", "fusion": "both (what serves)"}


def model_card(
    bundle: Bundle,
    rows: Mapping[str, int],
    metrics: Metrics,
    categories: pd.DataFrame,
    source: str,
    licence: str | None,
) -> str:
    """Return the card as Markdown, with the front matter of Hugging Face's model cards.

    Args:
        rows: items per split.
        metrics: figures per branch on the test split.
        categories: the table of `scores.per_class`.
        source: where the catalogue is; empty for the generated sample.
        licence: of the data, in the operator's words.
    """
    parts = [
        f"---\nmodel_name: {bundle.id}\nlibrary_name: openvino\ntags: [product-classification]\nlanguage: fr\n---",
        f"# Model card of bundle {bundle.id}",
        "Classifies a product of a marketplace's catalogue, from its title, description and picture (one of them is "
        f"enough), into one of {len(bundle.manifest.labels)} categories. A bidirectional LSTM reads the words, VGG16 "
        f"sees the picture at {bundle.manifest.image_size} × {bundle.manifest.image_size} pixels, and a calibrated "
        "fusion weighs their answers.",
        *_data(rows, source, licence),
        *_figures(metrics),
        *_review(bundle, metrics["fusion"]),
        *_categories(categories),
        *_limits(categories, rows),
        *_making(bundle),
    ]
    return "\n\n".join(parts) + "\n"


def bundle_of(card: str) -> str | None:
    """Return the id of the bundle that the card is about."""
    named = (line.removeprefix("model_name: ") for line in card.splitlines() if line.startswith("model_name: "))
    return next(named, None)


def _data(rows: Mapping[str, int], source: str, licence: str | None) -> list[str]:
    place = f"`{source.replace('`', '')}`" if source else "the sample catalogue that this project generates"
    if licence is None:
        licence = (
            "not stated; set `evaluate.data_licence` in `params.yaml`"
            if source
            else "the sample is generated, under the project's MIT licence"
        )
    return [
        "## Data",
        f"{sum(rows.values()):,} labelled products from {place}. An item's content decides its split, so copies of a "
        "product stay together, and what one training held out the next holds out too.",
        _table(("split", "items"), ((split, f"{count:,}") for split, count in rows.items())),
        f"Licence of the data: {licence}. The bundle holds neither texts nor pictures, but hashes of words and items.",
    ]


def _figures(metrics: Metrics) -> list[str]:
    columns = {
        "weighted_f1": "weighted F1",
        "macro_f1": "macro F1",
        "accuracy": "accuracy",
        "calibration_error": "calibration error",
    }
    lines = [
        (title, *(_figure(metrics[branch].get(name)) for name in columns), f"{metrics[branch]['items']:,.0f}")
        for branch, title in _BRANCHES.items()
    ]
    return [
        "## Figures on the test split",
        "Measured on the bundle as it serves, on items that the training did not see.",
        _table(("answer from", *columns.values(), "items"), lines),
        "The calibration error is the mean distance between the stated confidence and the share of right answers. "
        "`reliability.png` shows it over all confidences.",
    ]


def _review(bundle: Bundle, fused: Mapping[str, float]) -> list[str]:
    review = bundle.manifest.review
    if review.threshold is None:
        said = f"No confidence promises {review.precision:.0%} right answers, so every result says `needs_review`."
    else:
        said = (
            f"Results with a confidence below {review.threshold} say `needs_review`. The threshold was chosen on the "
            f"validation split so that {review.precision:.0%} of the other answers are right."
        )
        if "review_precision" in fused:
            said += (
                f" On the test split {fused['review_coverage']:.1%} of the items are above it, and "
                f"{fused['review_precision']:.1%} of these answers are right."
            )
    return ["## Review threshold", said]


def _categories(categories: pd.DataFrame) -> list[str]:
    measured = categories[categories["support"] > 0].sort_values("f1", ascending=False)
    lines = [
        (
            row["name"],
            row["prdtypecode"],
            row["support"],
            *(_figure(row[figure]) for figure in ("f1", "precision", "recall")),
            f"{row['confused_with_name']} ({row['confused_items']})" if row["confused_items"] else "",
        )
        for row in measured.to_dict(orient="records")
    ]
    header = ("category", "code", "items", "F1", "precision", "recall", "most often taken for (items)")
    return ["## Figures by category", _table(header, lines)]


def _limits(categories: pd.DataFrame, rows: Mapping[str, int]) -> list[str]:
    measured = categories[categories["support"] > 0]
    weak = ", ".join(f"{row.name} ({row.f1:.2f})" for row in measured.nsmallest(_WEAK, "f1").itertuples(index=False))
    missing = len(categories) - len(measured)
    few = int((measured["support"] < _FEW).sum())
    lines = [
        f"It knows these {len(categories)} categories alone and puts every product into one of them.",
        f"Its weakest categories on the test split, by F1: {weak}.",
        f"{few} categories have fewer than {_FEW} test items, and {missing} have none: their figures say little.",
        "Other languages and other kinds of catalogue than those of the data were not measured.",
        f"It learned from {rows.get('train', 0):,} items; a mistake in their labels is learned as well.",
    ]
    return ["## Limits", "\n".join(f"* {line}" for line in lines)]


def _making(bundle: Bundle) -> list[str]:
    manifest = bundle.manifest
    lines = [
        ("git revision of the code", f"`{manifest.code}`"),
        ("sha256 of the prepared data", f"`{manifest.data}`"),
        ("VGG16's weights", f"`{manifest.vgg16_weights}`"),
        ("words per text, at most", manifest.max_words),
    ]
    return [
        "## How it was made",
        "`dvc repro` ran the stages of `dvc.yaml`. The MLflow run has all parameters and the learning curves, and "
        "`python -m training.rebuild` repeats the training.",
        _table(("what", "value"), lines),
    ]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _table(header: Sequence[object], lines: Iterable[Sequence[object]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in (header, rule, *lines))
