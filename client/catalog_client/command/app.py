"""The command `catalog`."""

import sys

import typer
from rich.markup import escape

from catalog_client import CatalogError
from catalog_client.command import jobs, trainings
from catalog_client.command.options import console

app = typer.Typer(no_args_is_help=True, help="Classify a catalogue of products into Rakuten France's 27 types.")
app.add_typer(jobs.app)
app.add_typer(trainings.app)


def main() -> None:
    """Run the command `catalog`; an error is a message and status 1, not a traceback."""
    try:
        app()
    except CatalogError as error:
        console.print(f"[red]error:[/red] {escape(str(error))}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
