"""The commands of `catalog` for what people decide about results."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from catalog_client.command.options import (
    DEFAULT_URL,
    AsJson,
    IdempotencyKey,
    Key,
    Url,
    brief_catalog,
    say,
    show_json,
)

app = typer.Typer()

By = Annotated[str | None, typer.Option(help="The person; by default the API key's id.")]


@app.command()
def decide(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="Decisions as NDJSON, or as CSV if the name ends in .csv: job_id, index, and category, none_of_these "
            "(perhaps with a note) or skip, perhaps copies.",
        ),
    ],
    idempotency_key: IdempotencyKey,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Decide about results, all of a file or none of it."""
    with brief_catalog(url, key) as catalog:
        summary = catalog.decide(_read(file), idempotency_key=idempotency_key)
    say(f"{summary.accepted} decisions accepted, {summary.copies} of them about copies; {summary.skipped} skip an item")
    if as_json:
        show_json(summary.document)


@app.command()
def undo(
    idempotency_key: IdempotencyKey,
    count: Annotated[int, typer.Option(min=1, max=50, help="How many decisions.")] = 1,
    by: By = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Take back a person's last decisions."""
    with brief_catalog(url, key) as catalog:
        undone = catalog.undo(count, by=by, idempotency_key=idempotency_key)
    for one in undone:
        typer.echo(json.dumps(one.document))
    say(f"{len(undone)} decisions taken back")


@app.command()
def decisions(
    since: Annotated[str | None, typer.Option(help="The cursor of the last decision that you have.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Print your decisions in the order of their arrival, as NDJSON."""
    with brief_catalog(url, key) as catalog:
        for decision in catalog.decisions(since=since):
            typer.echo(json.dumps(decision.document))


@app.command("next")
def next_(
    idempotency_key: IdempotencyKey,
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many cards.")] = 10,
    job: Annotated[str | None, typer.Option(help="Only items of this job.")] = None,
    category: Annotated[
        str | None, typer.Option(help="Only items answered with this category's code, or one below.")
    ] = None,
    minutes: Annotated[int, typer.Option(min=1, max=60, help="For how long they are reserved.")] = 10,
    by: By = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Take the next items that need a look, and print them with their near copies, as NDJSON."""
    with brief_catalog(url, key) as catalog:
        cards = catalog.next_cards(
            limit, job_id=job, category=category, minutes=minutes, by=by, idempotency_key=idempotency_key
        )
    for card in cards:
        typer.echo(json.dumps(card.document))


@app.command()
def release(by: By = None, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Give back all cards that a person has taken and not decided about."""
    with brief_catalog(url, key) as catalog:
        released = catalog.release(by=by)
    say(f"{released} cards given back")


def _read(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the decisions of a file; raises `BadParameter` for what cannot be read."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        if file.suffix.lower() == ".csv":
            yield from ({name: cell for name, cell in row.items() if cell} for row in csv.DictReader(lines))
            return
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except ValueError as error:
                raise typer.BadParameter(f"{file}, line {number}: {error}") from None
