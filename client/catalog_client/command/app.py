"""The command `catalog`."""

import sys
from io import TextIOWrapper

import typer

from catalog_client import CatalogError
from catalog_client.command import decisions, items, jobs, listen, promise, taxonomy, trainings
from catalog_client.command.exits import Exit, exit_for
from catalog_client.command.options import say_error

app = typer.Typer(
    no_args_is_help=True,
    help="Classify a catalogue of products into its categories.",
    epilog="Exit status: 0 all right, 1 items failed or were refused, 2 wrong usage, 3 the service or the network.",
)
app.add_typer(jobs.app)
app.add_typer(items.app)
app.add_typer(listen.app)
app.add_typer(decisions.app)
app.add_typer(trainings.app)
app.add_typer(promise.app)
app.add_typer(taxonomy.app, name="taxonomy")


def main() -> None:
    """Run the command `catalog`; an error is a message and a status of `Exit`, not a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a title may hold what the terminal lacks, or half a character
    try:
        app()
    except CatalogError as error:
        say_error(str(error))
        sys.exit(exit_for(error))
    except OSError as error:
        say_error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(Exit.USAGE)


if __name__ == "__main__":
    main()
