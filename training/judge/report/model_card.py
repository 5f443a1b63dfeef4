"""model_card.md: what a bundle is, what it was made of, how good it is, and where it should not be trusted."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from shared.model.bundle import Bundle
from training.judge.scores import Metrics

FILE = "model_card.md"
_WEAK = 3
"""Categories that are named as the weakest."""
_LISTED = 60
"""Categories that have a line; of more, the most frequent and the weakest have one."""
_LISTED_WEAK = 20
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
        f"enough), into one of {len(bundle.codes)} categories. A bidirectional LSTM reads the words, VGG16 "
        f"sees the picture at {bundle.manifest.image_size} × {bundle.manifest.image_size} pixels, and a calibrated "
        "fusion weighs their answers.",
        *_data(rows, source, licence),
        *_figures(metrics),
        *_cascade(bundle, metrics["fusion"]),
        *_review(bundle, metrics["fusion"]),
        *_levels(bundle, metrics["fusion"]),
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
    explained = (
        "The calibration error is the mean distance between the stated confidence and the share of right answers. "
        "`reliability.png` shows it over all confidences."
    )
    if "hierarchical_f1" in metrics["fusion"]:
        columns["hierarchical_f1"] = "hierarchical F1"
        explained += (
            " Hierarchical F1 compares each answer and label with all that is above them, so an answer in the right "
            "department counts in part."
        )
    lines = [
        (title, *(_figure(metrics[branch].get(name)) for name in columns), f"{metrics[branch]['items']:,.0f}")
        for branch, title in _BRANCHES.items()
    ]
    return [
        "## Figures on the test split",
        "Measured on the bundle as it serves, on items that the training did not see.",
        _table(("answer from", *columns.values(), "items"), lines),
        explained,
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


def _cascade(bundle: Bundle, fused: Mapping[str, float]) -> list[str]:
    """When a picture is not looked at; nothing for a model that looks at all of them."""
    cascade = bundle.manifest.cascade
    if cascade is None:
        return []
    said = (
        f"Where the text alone is sure (a probability of {cascade.threshold} or more), the picture is not looked at. "
        f"On the validation split this was expected to cost {cascade.loss:.2%} of the answers."
    )
    if "always_weighted_f1" in fused:
        said += (
            f" On the test split {fused['pictures_not_looked_at']:.1%} of the pictures beside a text are not looked "
            f"at; weighted F1 is {fused['weighted_f1']:.3f}, and {fused['always_weighted_f1']:.3f} with all of them."
        )
    return ["## Pictures that are not looked at", said]


def _levels(bundle: Bundle, fused: Mapping[str, float]) -> list[str]:
    """What is sure on each level, which `sure` of results says; nothing without a tree."""
    review = bundle.manifest.review
    if not review.levels:
        return []
    lines = [
        (
            level,
            "none is precise enough" if threshold is None else threshold,
            *(_share(fused.get(f"level_{level}_{figure}")) for figure in ("coverage", "precision")),
        )
        for level, threshold in enumerate(review.levels, 1)
    ]
    own = "none is precise enough" if review.threshold is None else review.threshold
    lines.append(("the answer", own, *(_share(fused.get(f"review_{figure}")) for figure in ("coverage", "precision"))))
    return [
        "## Levels of the tree",
        f"A result says which categories above its answer are sure: from the threshold of a level on, "
        f"{review.precision:.0%} of the categories there are right. Level 1 is at the root. On the test split:",
        _table(("level", "threshold", "items that are sure", "of these right"), lines),
    ]


def _categories(categories: pd.DataFrame) -> list[str]:
    measured = categories[categories["support"] > 0].sort_values("f1", ascending=False)
    heading = "## Figures by category"
    if len(measured) <= _LISTED:
        return [heading, _lines(measured)]
    frequent = measured.sort_values(["support", "code"], ascending=[False, True]).head(_LISTED - _LISTED_WEAK)
    return [
        heading,
        f"{len(measured):,} categories have test items; `per_class.csv` has the figures of each. The {len(frequent)} "
        "with the most test items:",
        _lines(frequent),
        f"The {_LISTED_WEAK} weakest by F1{_with_enough(measured, _LISTED_WEAK)}:",
        _lines(_weakest(measured, _LISTED_WEAK)),
    ]


def _lines(categories: pd.DataFrame) -> str:
    lines = [
        (
            row["name"],
            row["code"],
            row["support"],
            *(_figure(row[figure]) for figure in ("f1", "precision", "recall")),
            f"{row['confused_with_name']} ({row['confused_items']})" if row["confused_items"] else "",
        )
        for row in categories.to_dict(orient="records")
    ]
    return _table(("category", "code", "items", "F1", "precision", "recall", "most often taken for (items)"), lines)


def _weakest(measured: pd.DataFrame, count: int) -> pd.DataFrame:
    """The weakest categories, the weakest first: of those whose figures say something, if there are as many."""
    enough = measured[measured["support"] >= _FEW] if _with_enough(measured, count) else measured
    return enough.sort_values(["f1", "support", "code"], ascending=[True, False, True]).head(count)


def _with_enough(measured: pd.DataFrame, count: int) -> str:
    """Say of which categories `_weakest` are; nothing if of all."""
    return f", of those with {_FEW} items or more" if (measured["support"] >= _FEW).sum() >= count else ""


def _limits(categories: pd.DataFrame, rows: Mapping[str, int]) -> list[str]:
    measured = categories[categories["support"] > 0]
    weak = ", ".join(f"{row.name} ({row.f1:.2f})" for row in _weakest(measured, _WEAK).itertuples(index=False))
    missing = len(categories) - len(measured)
    few = int((measured["support"] < _FEW).sum())
    lines = [
        f"It knows these {len(categories)} categories alone and puts every product into one of them.",
        f"Its weakest categories on the test split by F1{_with_enough(measured, _WEAK)}: {weak}.",
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


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _table(header: Sequence[object], lines: Iterable[Sequence[object]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in (header, rule, *lines))
