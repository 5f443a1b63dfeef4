"""`catalog`, or `python -m catalog_client`: the command, where its packages are installed."""

import sys


def main() -> None:
    """Run the command; without the packages it needs, say which ones to install."""
    try:
        from catalog_client.command.app import main as command
    except ModuleNotFoundError as error:
        if error.name not in ("rich", "typer", "yaml"):
            raise
        sys.exit("The command needs typer, rich and PyYAML: pip install 'rakuten-catalog-client[cli]'")
    command()


if __name__ == "__main__":
    main()
