"""The commands of `catalog` that look at items: a job's, filtered, and why one got its answer."""

import itertools
from typing import Annotated, Literal

import typer

from catalog_client.command.options import DEFAULT_URL, AsJson, Key, Url, brief_catalog, show, show_json
from catalog_client.command.tables import explanation_table, items_table, nearest_table

app = typer.Typer()

_Job = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]


@app.command("items")
def list_items(
    job: _Job,
    limit: Annotated[int, typer.Option(min=1, help="How many items to list.")] = 20,
    order: Annotated[
        Literal["sent", "committed", "least-sure"],
        typer.Option(help="As in the request, as they were done, or the lowest confidence first."),
    ] = "sent",
    review: Annotated[
        bool | None, typer.Option("--review/--accepted", help="Only items that need a review, or need none.")
    ] = None,
    decided: Annotated[
        bool | None, typer.Option("--decided/--open", help="Only items that a person has decided, or that nobody has.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="Only items that ended so, such as failed.")] = None,
    category: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only items answered with this category, or one below it.")
    ] = None,
    min_confidence: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    max_confidence: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    query: Annotated[str | None, typer.Option(help="Only items with all these words in title or description.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List a job's items: what was sent beside what was answered."""
    with brief_catalog(url, key) as catalog:
        found = catalog.items(
            job,
            order=order.replace("-", "_"),
            needs_review=review,
            decided=decided,
            status=status,
            category=category,
            min_confidence=min_confidence,
            max_confidence=max_confidence,
            q=query,
        )
        items = list(itertools.islice(found, limit))
    if as_json:
        show_json([item.document for item in items])
    else:
        show(items_table(items))


@app.command()
def explain(
    job: _Job,
    index: Annotated[int, typer.Argument(min=0, help="The item's position in the request, from 0.")],
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show which words carried an item's answer, and what people decided about the items that are most like it."""
    with brief_catalog(url, key) as catalog:
        why = catalog.explain(job, index)
    if as_json:
        show_json(why.document)
    else:
        show(explanation_table(why))
        if why.nearest:
            show(nearest_table(why.nearest))
