"""Results and models at a terminal or in a file."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from catalog_client import CatalogError, Models, Result, Training
from catalog_client._tables import disarmed
from catalog_client.command.options import console

SHOWN = 15
"""Results that are shown; the others are only counted."""

_COLUMNS = (
    *("id", "status", "prdtypecode", "category", "confidence", "needs_review"),
    *("error", "bundle", "model_version", "cached"),  # model_version: the bundle under its old name
)


def deliver(
    results: Iterable[Result], output: Path | None, challenge: bool, titles: Mapping[str, str] | None = None
) -> None:
    """Show the results, or save them in a file; then count those that a person should look at.

    Args:
        challenge: Save only the columns row and prdtypecode.
        titles: Titles by item id, to be shown in the place of ids.
    """
    ordered = sorted(results, key=lambda result: result.index)
    if output is None:
        console.print(results_table(ordered[:SHOWN], titles))
        if (rest := len(ordered) - SHOWN) > 0:
            console.print(f"… and {rest} more: save them with --output results.csv")
    else:
        _save(ordered, output, challenge)
    classified = [result for result in ordered if result.category]
    if classified:
        console.print(f"{sum(bool(result.needs_review) for result in classified)} of {len(classified)} need a look")
    if cached := sum(result.cached for result in classified):
        console.print(f"{cached} are earlier answers to the same items")


def results_table(results: Iterable[Result], titles: Mapping[str, str] | None = None) -> Table:
    """One line per result, however long its title is."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name, ratio in (("product", 5), ("type", None), ("product type", 4)):
        table.add_column(name, ratio=ratio, no_wrap=True, overflow="ellipsis")
    table.add_column("sure", justify="right")
    table.add_column("review")
    table.add_column("text/picture say", no_wrap=True)
    table.expand = True
    for result in results:
        name = escape((titles or {}).get(result.id) or result.id)
        if result.category is None:
            message = result.error.message if result.error else result.status
            table.add_row(name, "", f"[red]{escape(message)}[/red]")
            continue
        category, review = result.category, "[yellow]yes[/yellow]" if result.needs_review else ""
        sure = f"{category.confidence:.0%}"
        table.add_row(name, str(category.code), escape(category.name), sure, review, _branches(result))
    return table


def models_table(models: Models) -> Table:
    """One line per registered version."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("version", "bundle", "alias", "weighted F1", "gate", "trained"):
        table.add_column(name)
    for model in models.models:
        gate = "" if model.gate is None else "passed" if model.gate.passed else "refused"
        figure = model.figures.get("test.fusion.weighted_f1")
        table.add_row(
            model.version,
            model.bundle,
            ", ".join(model.aliases),
            "" if figure is None else f"{figure:.3f}",
            gate,
            "" if model.created_at is None else f"{model.created_at:%Y-%m-%dT%H:%M:%S}",
        )
    return table


def conclude(training: Training) -> None:
    """Show what came of a training that has ended; raises `CatalogError` if it failed."""
    if training.state != "completed":
        stage = f" in {training.error.stage}" if training.error and training.error.stage else ""
        message = training.error.message if training.error else training.reason or ""
        raise CatalogError(f"training {training.id} {training.state}{stage}\n{message}".rstrip())
    if training.verdict:
        table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
        for check in training.verdict.checks:
            passed = "[green]passed[/green]" if check.passed else "[red]not passed[/red]"
            table.add_row(check.name, passed, escape(check.detail))
        console.print(table)
        console.print(escape(training.verdict.detail))
    became = "now the champion" if training.promoted else "not promoted"
    console.print(f"version {training.version}, bundle {training.bundle}: {became}")


def _branches(result: Result) -> str:
    """The codes that the text and the picture led to by themselves."""
    branches = result.branches
    categories = (branches.text, branches.image) if branches else (None, None)
    return "/".join(str(category.code) if category else "–" for category in categories)


def _save(results: Sequence[Result], output: Path, challenge: bool) -> None:
    try:
        with output.open("w", encoding="utf-8", newline="") as file:
            _write(file, results, output, challenge)
    except OSError as error:
        raise CatalogError(f"{output}: {error.strerror}") from error
    failures = Counter(result.error.code for result in results if result.error)
    failed = f"; failed: {dict(failures)}" if failures else ""
    console.print(f"{len(results)} results in {escape(str(output))}{failed}")


def _write(file: TextIO, results: Sequence[Result], output: Path, challenge: bool) -> None:
    if challenge:
        _write_csv(file, ("row", "prdtypecode"), _challenge_rows(results))
    elif output.suffix.lower() == ".csv":
        _write_csv(file, _COLUMNS, map(_row, results))
    else:
        file.writelines(json.dumps(result.document, ensure_ascii=False) + "\n" for result in results)


def _challenge_rows(results: Iterable[Result]) -> Iterator[tuple[str, int]]:
    return ((result.id, result.category.code) for result in results if result.category)


def _row(result: Result) -> tuple[Any, ...]:
    """The values of `_COLUMNS`, for a spreadsheet; NDJSON has each text as it is."""
    category, error = result.category, result.error
    return (
        disarmed(result.id),
        result.status,
        category.code if category else "",
        category.name if category else "",
        category.confidence if category else "",
        "" if result.needs_review is None else str(result.needs_review).lower(),
        disarmed(error.message) if error else "",
        result.bundle,
        result.bundle,
        str(result.cached).lower(),
    )


def _write_csv(file: TextIO, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(rows)
