"""The quality of an imported catalogue: figures, the rows behind each of them, and a page for its maintainers.

None of it contains a product's text: rows are named by their number and id.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared.taxonomy import TAXONOMY_FILE, Taxonomy, from_json
from shared.words import words
from training.catalogue.duplicates import ALONE, Groups, group, hash_pictures, same, similar_pictures, similar_texts
from training.catalogue.errors import CatalogueError
from training.catalogue.quality_page import LISTED, render
from training.catalogue.schema import check_schema

PICTURE_LOST = ("picture_missing", "picture_unreadable")
"""Reasons for which a row loses its picture; for every other reason the row is dropped."""
LONG_TITLE = 250
"""Characters. The marketplace's own titles are no longer, so a longer one contains something else."""
WORD_BINS = (0, 1, 3, 5, 9, 17, 33, 65, 129)
TEXT_LIMITS = (16, 32, 48, 64, 128, 256)
QUANTILES = {"minimum": 0.0, "p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "maximum": 1.0}

Figures = dict[str, Any]  # what JSON holds


class Likeness(StrEnum):
    """What the rows of a group have in common; `similar_` is defined in `duplicates`."""

    SAME_TEXT_AND_PICTURE = "same_text_and_picture"
    SAME_TEXT = "same_text"
    SAME_PICTURE = "same_picture"
    SIMILAR_TEXT = "similar_text"
    SIMILAR_PICTURE = "similar_picture"
    RELATED = "related"
    """Any of the above: a split that keeps these groups whole has no copy of a training row in the test."""


@dataclass(frozen=True)
class Catalogue:
    """The output of an import, and the findings about it."""

    products: pd.DataFrame
    """products.parquet."""
    findings: pd.DataFrame
    """report.csv: row, id, reason, detail."""
    dropped: pd.DataFrame
    """The findings about rows that were not kept, one each."""
    rows_read: int
    labels: dict[str, int]
    """The figures of the merged labels, from report.json."""
    words: list[list[str]]
    """The words of each product's title and description."""
    members: pd.DataFrame
    """row, id, category, likeness, group, size, labels: the rows that are in a group, once per likeness, with
    the group's name, its number of rows and their number of different labels."""

    @classmethod
    def load(cls, folder: Path) -> "Catalogue":
        """Read the output of `import_data` from the folder, and find its duplicates.

        Raises `SchemaError` if the products do not follow their schema, `CatalogueError` if a row that was read
        is neither among them nor in the report.
        """
        products = pd.read_parquet(folder / "products.parquet")
        check_schema(products)
        findings = pd.read_csv(folder / "report.csv", keep_default_na=False)
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        rows_read, labels = report["rows_read"], report["labels"]
        dropped = findings[~findings["reason"].isin(PICTURE_LOST)]
        if len(products) - labels["rows_added"] + len(dropped) != rows_read:
            raise CatalogueError(
                f"{rows_read} rows were read, but {len(products)} were kept and {len(dropped)} are listed as "
                "dropped. Import the catalogue again."
            )
        texts = list(map(words, _cells(products, "title"), _cells(products, "description")))
        groups = _find_groups(texts, _cells(products, "picture"), folder / "pictures.parquet")
        members = pd.concat([_members(products, likeness, found) for likeness, found in groups.items()])
        return cls(products, findings, dropped, rows_read, labels, texts, members)

    @property
    def conflicting(self) -> pd.DataFrame:
        """The members of groups whose labels differ, without related rows, which may have nothing in common."""
        return self.members[(self.members["labels"] > 1) & (self.members["likeness"] != Likeness.RELATED)]

    @property
    def wordless(self) -> pd.DataFrame:
        """The products without a word in title and description."""
        return self.products[[not text for text in self.words]]

    @property
    def long_titles(self) -> pd.DataFrame:
        """The products whose title exceeds `LONG_TITLE`."""
        return self.products[self.products["title"].str.len() > LONG_TITLE]


def write_quality(folder: Path) -> Figures:
    """Write quality.md, and quality with .json, _issues.csv, _classes.csv and _largest.csv, into the import's folder.

    Returns the figures; raises as `Catalogue.load` does.
    """
    catalogue = Catalogue.load(folder)
    classes, issues = (
        count_classes(catalogue.products, from_json((folder / TAXONOMY_FILE).read_bytes())),
        list_issues(catalogue),
    )
    figures = measure(catalogue, classes)
    (folder / "quality.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    issues.to_csv(folder / "quality_issues.csv", index=False, lineterminator="\n")
    classes.to_csv(folder / "quality_classes.csv", index=False, lineterminator="\n")
    classes.head(LISTED).to_csv(folder / "quality_largest.csv", index=False, lineterminator="\n")  # what DVC plots
    (folder / "quality.md").write_text(render(figures, issues, classes), encoding="utf-8")
    return figures


def summarise(figures: Figures) -> str:
    """Return a summary in one paragraph."""
    return (
        f"Quality: {figures['conflicting_labels']:,} rows are like another row that has another label, "
        f"{figures['leakage']['rows_related']:,} are the same as or similar to another row."
    )


def count_classes(products: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """Return category, name and items of each category, the most frequent first."""
    items = products["category"].value_counts()
    lines = [(leaf.code, leaf.name, int(items.get(leaf.code, 0))) for leaf in taxonomy.leaves]
    ranked = sorted(lines, key=lambda line: (-line[2], line[0]))
    return pd.DataFrame(ranked, columns=["category", "name", "items"])


def list_issues(catalogue: Catalogue) -> pd.DataFrame:
    """Return row, id, issue, group and detail: a line per row and figure that counts it, by row."""
    members, conflicting, long_titles = catalogue.members, catalogue.conflicting, catalogue.long_titles
    labels = conflicting.groupby("group")["category"].transform(lambda codes: _listed(codes.unique()))
    parts = [
        catalogue.findings.rename(columns={"reason": "issue"}),
        members.assign(issue=members["likeness"], detail="one of " + members["size"].astype(str)),
        conflicting.assign(issue="conflicting_labels", detail=conflicting["category"] + " among " + labels.astype(str)),
        catalogue.wordless.assign(issue="no_words", detail="title and description"),
        long_titles.assign(
            issue="long_title", detail=long_titles["title"].str.len().astype(int).astype(str) + " characters"
        ),
    ]
    issues = pd.concat(parts).reindex(columns=["row", "id", "issue", "group", "detail"])
    issues["group"] = issues["group"].astype("object").fillna("")
    return issues.sort_values(["row", "issue", "group"], ignore_index=True)


def measure(catalogue: Catalogue, classes: pd.DataFrame) -> Figures:
    """Every figure of the report, as quality.json holds it."""
    products, reasons = catalogue.products, catalogue.findings["reason"].value_counts()
    present = classes.loc[classes["items"] > 0, "items"]
    return {
        "rows": {
            "read": catalogue.rows_read,
            "kept": len(products),
            "dropped": {
                reason: int(count) for reason, count in sorted(catalogue.dropped["reason"].value_counts().items())
            },
        },
        "labels": catalogue.labels,
        "conflicting_labels": catalogue.conflicting["row"].nunique(),
        "pictures": {
            "missing": int(reasons.get("picture_missing", 0)),
            "unreadable": int(reasons.get("picture_unreadable", 0)),
            "rows_with_picture": int(products["picture"].count()),
            "distinct": products["picture"].nunique(),
        },
        "duplicates": {likeness.value: _group_figures(catalogue.members, likeness) for likeness in Likeness},
        "leakage": _leakage(catalogue),
        "texts": _text_figures(catalogue),
        "classes": {
            "present": len(present),
            "largest": int(present.max()),
            "smallest": int(present.min()),
            "imbalance_ratio": round(float(present.max() / present.min()), 2),
        },
    }


def _find_groups(texts: list[list[str]], pictures: list[str | None], file: Path) -> dict[Likeness, Groups]:
    joined = [" ".join(text) or None for text in texts]
    both = [(text, picture) if text and picture else None for text, picture in zip(joined, pictures, strict=True)]
    same_text, same_picture = same(joined), same(pictures)
    similar_text = similar_texts(texts)
    similar_picture = similar_pictures(pictures, hash_pictures(file, len(set(pictures) - {None})))
    count = len(texts)
    return {
        Likeness.SAME_TEXT_AND_PICTURE: group(count, same(both)),
        Likeness.SAME_TEXT: group(count, same_text),
        Likeness.SAME_PICTURE: group(count, same_picture),
        Likeness.SIMILAR_TEXT: group(count, similar_text, copies=same_text),
        Likeness.SIMILAR_PICTURE: group(count, similar_picture, copies=same_picture),
        Likeness.RELATED: group(count, np.concatenate([same_text, same_picture, similar_text, similar_picture])),
    }


def _members(products: pd.DataFrame, likeness: Likeness, groups: Groups) -> pd.DataFrame:
    first = groups[groups != ALONE]
    names = [f"{likeness}-{row}" for row in products["row"].to_numpy()[first]]
    inside: pd.DataFrame = products.loc[groups != ALONE, ["row", "id", "category"]].assign(
        likeness=likeness.value, group=names
    )
    by_group = inside.groupby("group")
    return inside.assign(size=by_group["row"].transform("size"), labels=by_group["category"].transform("nunique"))


def _group_figures(members: pd.DataFrame, likeness: Likeness) -> Figures:
    inside = members[members["likeness"] == likeness]
    conflicting = inside[inside["labels"] > 1]
    return {
        "groups": inside["group"].nunique(),
        "rows": len(inside),
        "largest_group": int(inside["size"].max()) if len(inside) else 0,
        "groups_with_several_labels": conflicting["group"].nunique(),
        "rows_with_several_labels": len(conflicting),
    }


def _leakage(catalogue: Catalogue) -> Figures:
    """Count the rows that a random split may separate from their copies."""
    members, count = catalogue.members, len(catalogue.products)
    copies = members.loc[members["likeness"].isin([Likeness.SAME_TEXT, Likeness.SAME_PICTURE]), "row"].nunique()
    related = int((members["likeness"] == Likeness.RELATED).sum())
    return {
        "rows_with_same_text_or_picture": copies,
        "share_with_same_text_or_picture": round(copies / count, 4),
        "rows_related": related,
        "share_related": round(related / count, 4),
    }


def _text_figures(catalogue: Catalogue) -> Figures:
    titles = np.array([len(words(title)) for title in _cells(catalogue.products, "title")])
    texts = np.array([len(text) for text in catalogue.words])
    histogram, _ = np.histogram(titles, (*WORD_BINS, np.inf))
    return {
        "without_words": len(catalogue.wordless),
        "long_titles": len(catalogue.long_titles),
        "share_with_description": round(float(catalogue.products["description"].notna().mean()), 4),
        "words_per_title": _quantiles(titles),
        "words_per_text": _quantiles(texts),
        "titles_by_least_words": dict(zip(map(str, WORD_BINS), histogram.tolist(), strict=True)),
        "share_of_texts_over_words": {str(limit): round(float((texts > limit).mean()), 4) for limit in TEXT_LIMITS},
    }


def _quantiles(lengths: npt.NDArray[np.int64]) -> dict[str, int]:
    values = np.quantile(lengths, list(QUANTILES.values()), method="inverted_cdf")
    return {name: int(value) for name, value in zip(QUANTILES, values, strict=True)}


def _cells(products: pd.DataFrame, column: str) -> list[str | None]:
    return [None if pd.isna(cell) else cell for cell in products[column]]


def _listed(codes: Iterable[str]) -> str:
    return ", ".join(sorted(codes))
