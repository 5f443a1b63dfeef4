"""What all commands share: the service's URL, the API key, and the terminal."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

from catalog_client import Catalog

DEFAULT_URL = "http://127.0.0.1:5000"

Url = Annotated[str, typer.Option("--url", envvar="CATALOG_URL", help="The service's URL.")]
Key = Annotated[str | None, typer.Option("--key", envvar="CATALOG_API_KEY", help="Your API key.", show_envvar=True)]

console = Console(stderr=True)


def brief_catalog(url: str, key: str | None) -> Catalog:
    """Return a client for a command that sends one request: a person who waits wants to know soon that it fails."""
    return Catalog(url, key, tries=2)


def progress_bars(*more: ProgressColumn) -> Progress:
    """Return progress bars with a description, a count, the time elapsed, and further columns."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, *more, console=console)
