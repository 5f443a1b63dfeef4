"""What all commands share: where the service is, who asks, and where people read."""

from typing import Annotated

import typer
from rich.console import Console

DEFAULT_URL = "http://127.0.0.1:5000"

Url = Annotated[str, typer.Option("--url", envvar="CATALOG_URL", help="Where the service is.")]
Key = Annotated[str | None, typer.Option("--key", envvar="CATALOG_API_KEY", help="Your API key.", show_envvar=True)]

console = Console(stderr=True)
