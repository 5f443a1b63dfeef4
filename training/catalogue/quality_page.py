"""The page quality.md: a catalogue's quality, in the order in which a catalogue team would act."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

EXAMPLES = 5
MEMBERS = 3  # rows that are named of each example
LISTED, LISTED_SMALL = 60, 20  # categories that have a line; if there are more, 20 are the smallest
LIKENESS = {
    "same_text_and_picture": "same text and picture",
    "same_text": "same text",
    "same_picture": "same picture",
    "similar_text": "similar text",
    "similar_picture": "similar picture",
    "related": "any of these, also through others",
}


def render(figures: dict[str, Any], issues: pd.DataFrame, classes: pd.DataFrame) -> str:
    """Return the page, made from the content of quality.json, quality_issues.csv and quality_classes.csv."""
    rows = figures["rows"]
    parts = [
        "# Quality of the catalogue",
        f"{rows['kept']:,} of {rows['read']:,} rows were kept. `quality_issues.csv` lists every row behind the figures "
        "of the first three tables, with its group; all figures are in `quality.json`.",
        *_labels(figures["labels"]),
        *_conflicts(figures["conflicting_labels"], issues),
        *_losses(rows["dropped"], figures["pictures"], figures["texts"], issues),
        *_duplicates(figures["duplicates"], figures["leakage"], issues),
        *_classes(figures["classes"], rows["kept"], classes),
        *_lengths(figures["texts"]),
    ]
    return "\n\n".join(parts) + "\n"


def _labels(labels: dict[str, int]) -> list[str]:
    if not labels["labels"]:
        return []
    return [
        "## Labels that people sent",
        f"{labels['labels']:,} labels of {labels['items']:,} items: {labels['rows_added']:,} items are not in the "
        f"source and were added, {labels['rows_overruled']:,} rows of the source got another code. The labels of "
        f"{labels['items_with_conflicting_labels']:,} items contradict one another; the later one counts. `labels.csv` "
        "lists each label with its author, its time, and whether it won.",
    ]


def _conflicts(count: int, issues: pd.DataFrame) -> list[str]:
    groups = [group for _, group in issues[issues["issue"] == "conflicting_labels"].groupby("group")]
    # The more the rows have in common, the surer it is that a label is wrong.
    groups.sort(key=lambda group: (list(LIKENESS).index(_likeness(group)), int(group["row"].min())))
    lines = [
        (LIKENESS[_likeness(group)], len(group), group["detail"].iloc[0].split(" among ")[1], _names(group))
        for group in groups[:EXAMPLES]
    ]
    return [
        "## Conflicting labels",
        f"{count:,} rows are like another row that has another label ({len(groups):,} groups). Decide on one for each "
        "group; the first groups have most in common.",
        *([_table(("what they share", "rows", "category", "such as"), lines)] if lines else []),
    ]


def _losses(
    dropped: dict[str, int], pictures: dict[str, int], texts: dict[str, Any], issues: pd.DataFrame
) -> list[str]:
    counts = {
        **{reason: (f"row dropped: {reason}", count) for reason, count in dropped.items()},
        "picture_missing": ("picture missing", pictures["missing"]),
        "picture_unreadable": ("picture unreadable", pictures["unreadable"]),
        "no_words": ("no word in title and description", texts["without_words"]),
        "long_title": ("title too long, perhaps a description", texts["long_titles"]),
    }
    lines = [
        (label, f"{count:,}", _names(issues[issues["issue"] == issue])) for issue, (label, count) in counts.items()
    ]
    return ["## To repair at the source", _table(("what", "rows", "such as"), lines)]


def _duplicates(duplicates: dict[str, Any], leakage: dict[str, Any], issues: pd.DataFrame) -> list[str]:
    lines = [
        (
            LIKENESS[likeness],
            f"{found['groups']:,}",
            f"{found['rows']:,}",
            found["largest_group"],
            f"{found['groups_with_several_labels']:,}",
            _names(_largest(issues[issues["issue"] == likeness])),
        )
        for likeness, found in duplicates.items()
    ]
    header = ("what they share", "groups", "rows", "largest group", "groups with several labels", "of the largest")
    return [
        "## Duplicates",
        f"{_percent(leakage['share_with_same_text_or_picture'])} of the rows have the text or picture of another row; "
        f"{_percent(leakage['share_related'])} have it or something similar. A random split puts such rows on both "
        "sides, and the test then measures memory.",
        _table(header, lines),
    ]


def _classes(figures: dict[str, Any], kept: int, classes: pd.DataFrame) -> list[str]:
    def table(shown: pd.DataFrame) -> str:
        lines = [
            (code, name, f"{items:,}", _percent(items / kept)) for code, name, items in shown.itertuples(index=False)
        ]
        return _table(("category", "name", "rows", "share"), lines)

    heading = [
        "## Categories",
        f"{figures['present']:,} of {len(classes):,} occur; the largest has {figures['imbalance_ratio']} times the "
        "rows of the smallest.",
    ]
    if len(classes) <= LISTED:
        return [*heading, table(classes)]
    large = classes.head(LISTED - LISTED_SMALL)
    small = classes[len(large) :].query("items > 0").tail(LISTED_SMALL)
    return [
        *heading,
        f"`quality_classes.csv` has them all. The {len(large)} largest:",
        table(large),
        f"The {len(small)} smallest of those that occur:",
        table(small),
    ]


def _lengths(figures: dict[str, Any]) -> list[str]:
    quantiles = [
        (name, *figures[key].values()) for name, key in (("title", "words_per_title"), ("both", "words_per_text"))
    ]
    least = figures["titles_by_least_words"]
    over = figures["share_of_texts_over_words"]
    return [
        "## Lengths of texts, in words",
        f"{_percent(figures['share_with_description'])} of the rows have a description beside the title.",
        _table(("text", *figures["words_per_title"]), quantiles),
        "Titles by their least number of words:",
        _table(tuple(least), [tuple(f"{count:,}" for count in least.values())]),
        "Share of the texts (both) that a limit of this many words would cut:",
        _table(tuple(over), [tuple(map(_percent, over.values()))]),
    ]


def _likeness(group: pd.DataFrame) -> str:
    return str(group["group"].iloc[0]).rsplit("-", 1)[0]


def _largest(members: pd.DataFrame) -> pd.DataFrame:
    return members[members["group"].isin(members["group"].mode()[:1])]


def _names(lines: pd.DataFrame) -> str:
    pairs = lines[["row", "id"]].head(MEMBERS).itertuples(index=False)
    return ", ".join(f"row {row} (id {identifier})" for row, identifier in pairs)


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _table(header: Sequence[object], lines: Iterable[Sequence[object]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in (header, rule, *lines))
