"""What all commands share: the service's URL, the API key, the form of what is printed, and the terminal."""

import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich import table as rich_table
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.tree import Tree

from catalog_client import Catalog, CatalogError, Table

DEFAULT_URL = "http://127.0.0.1:5000"

Url = Annotated[str, typer.Option("--url", envvar="CATALOG_URL", help="The service's URL.")]
Key = Annotated[str | None, typer.Option("--key", envvar="CATALOG_API_KEY", help="Your API key.", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on the standard output instead of a table.")]
IdempotencyKey = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        default_factory=lambda: secrets.token_hex(16),
        show_default="a new one",
        help="A name of yours for this request: sent again with it, the request has no second effect.",
    ),
]

_TABLES = "a .csv, .tsv, .txt, .ndjson or .jsonl file, each perhaps with .gz, or a .xlsx; - is standard input"
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=COLUMN",
        help="The column that holds a field, such as title=Libellé; may be repeated.",
    ),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata",
        metavar="KEY=VALUE",
        help="A text of yours that is kept with the job, such as season=spring; may be repeated.",
    ),
]
Format = Annotated[
    Literal["csv", "ndjson", "xlsx"] | None,
    typer.Option("--format", help="The table's format, where neither its name nor its content tells."),
]


def _present(table: Path) -> Path:
    if table != Path("-") and not table.exists():
        raise typer.BadParameter(f"there is no file {table}")
    return table


Products = Annotated[Path, typer.Argument(callback=_present, help=f"The table of products: {_TABLES}.")]
LabelTable = Annotated[Path, typer.Argument(callback=_present, help=f"The table of labels: {_TABLES}.")]

_console = Console(stderr=True)
_out = Console()


def say(text: str, style: str = "") -> None:
    """Print a message on the standard error; no part of it is taken for markup."""
    _console.print(text, style=style or None, markup=False, highlight=False, soft_wrap=True)


def say_error(text: str) -> None:
    """Print what went wrong."""
    _console.print("error:", style="red", end=" ")
    say(text)


def say_trouble(error: CatalogError) -> None:
    """Print that the service does not answer, and that the command goes on."""
    say(f"{error}; asking again", style="yellow")


def show(table: rich_table.Table | Tree) -> None:
    """Print a table or a tree on the standard output."""
    _out.print(table)


def show_json(document: Any) -> None:
    """Print a document of the service on the standard output."""
    typer.echo(json.dumps(document, indent=2))


def mapping(assignments: Sequence[str] | None) -> dict[str, str]:
    """Read the values of `--map`; raises `BadParameter` for one without a field or a column."""
    pairs = [assignment.partition("=") for assignment in assignments or ()]
    for field, _, column in pairs:
        if not (field and column):
            raise typer.BadParameter("expected FIELD=COLUMN, such as --map title=Libellé")
    return {field: column for field, _, column in pairs}


def pairs(assignments: Sequence[str] | None) -> dict[str, str]:
    """Read the values of `--metadata`; raises `BadParameter` for one without a key, or a key that comes twice."""
    split = [assignment.partition("=") for assignment in assignments or ()]
    found = {key: value for key, _, value in split}
    if len(found) < len(split) or not all(key and sign for key, sign, _ in split):
        raise typer.BadParameter("expected KEY=VALUE, each key once, such as --metadata season=spring")
    return found


def moment(text: str | None) -> datetime | None:
    """Read the value of `--since` or `--until`; raises `BadParameter` for one that is no time."""
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: write 2027-03-01, or 2027-03-01T09:30:00Z") from None


def tell_form(table: Table) -> None:
    """Print how a table was read, unless there is nothing to say."""
    if table.form is not None and (notice := table.form.notice):
        say(f"{table}: {notice}")


def brief_catalog(url: str, key: str | None) -> Catalog:
    """Return a client for a command that sends one request: a person who waits wants to know soon that it fails."""
    return Catalog(url, key, tries=2)


def progress_bars(*more: ProgressColumn) -> Progress:
    """Return progress bars with a description, a count, the time elapsed, and further columns."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, *more, console=_console)
