"""What all commands share: where the service is, whose key is used, and where people read."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

DEFAULT_URL = "http://127.0.0.1:5000"

Url = Annotated[str, typer.Option("--url", envvar="CATALOG_URL", help="The service's URL.")]
Key = Annotated[str | None, typer.Option("--key", envvar="CATALOG_API_KEY", help="Your API key.", show_envvar=True)]

console = Console(stderr=True)


def progress_bars(*more: ProgressColumn) -> Progress:
    """Bars with a description, a count and the time elapsed, and further columns."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, *more, console=console)
