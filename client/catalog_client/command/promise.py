"""The command `catalog promise`: how precise accepted answers are, and from which confidence on they are accepted."""

import typer

from catalog_client import Promise
from catalog_client.command.options import DEFAULT_URL, AsJson, Key, Url, brief_catalog, show, show_json
from catalog_client.command.tables import threshold_moves_table

app = typer.Typer()

_SHOWN_MOVES = 10


@app.command()
def promise(as_json: AsJson = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Say how precise your accepted answers are, and from which confidence on they are accepted."""
    with brief_catalog(url, key) as catalog:
        found = catalog.promise()
    if as_json:
        show_json(found.document)
        return
    typer.echo(found.says)
    if found.promised is not None:
        typer.echo(_threshold(found))
    if found.since is not None:
        typer.echo(f"Answers since {found.since} count: {found.precision.audited:,} audited")
    if found.moves:
        show(threshold_moves_table(found.moves[:_SHOWN_MOVES]))


def _threshold(found: Promise) -> str:
    own = "" if found.own_threshold is None else f"; the model's own is {found.own_threshold:.3f}"
    if found.pinned:
        kept = "somebody has pinned it"
    elif found.lowest is None or found.highest is None:
        kept = "the service moves it"
    else:
        kept = f"the service moves it between {found.lowest:.3f} and {found.highest:.3f}"
    if found.threshold is None:
        return f"No answer is accepted without a person's look ({kept}{own})"
    return f"Answers are accepted from the confidence {found.threshold:.3f} on ({kept}{own})"
