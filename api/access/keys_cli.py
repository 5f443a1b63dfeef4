"""`catalog-keys`: make, list and revoke API keys, on the machine that can reach Redis; tell a tenant its secrets."""

import sys
from typing import Annotated, NoReturn

import typer
from redis import RedisError

from shared.settings import get_settings
from shared.stores.opening import open_redis
from shared.tenants.api_keys import KeyNotFoundError, KeyStore, Scope
from shared.tenants.webhook_secrets import signing_secrets

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke the keys that open the API.")


@app.command()
def create(
    tenant: Annotated[str, typer.Option(help="Whose jobs the key sees: lower-case letters, digits and dashes.")],
    scope: Annotated[list[Scope], typer.Option(help="What it allows; may be given more than once.")],
    name: Annotated[str, typer.Option(help="A note on who has the key.")] = "",
) -> None:
    """Make a key and print it; it cannot be shown a second time."""
    key, text = _keys().create(tenant, scope, name)
    typer.echo(f"key {key.id} for tenant {key.tenant} ({_scopes(key.scopes)}), shown only now:", err=True)
    typer.echo(text)
    typer.echo("Send it with each request as the header 'Authorization: Bearer <key>'.", err=True)


@app.command(name="list")
def list_keys() -> None:
    """All keys, without their secrets."""
    keys = _keys().list()
    if not keys:
        typer.echo("there is no key yet: only callers on this machine are served", err=True)
    for key in keys:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "active"
        typer.echo(f"{key.id}  {key.tenant}  {_scopes(key.scopes)}  {key.created_at:%Y-%m-%d}  {state}  {key.name}")


@app.command()
def revoke(identifier: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as listed.")]) -> None:
    """Let nobody in with this key any more; it takes effect at once."""
    key = _keys().revoke(identifier)
    typer.echo(f"key {key.id} of tenant {key.tenant} is revoked", err=True)


@app.command()
def webhook_secrets(
    tenant: Annotated[str, typer.Argument(help="Whose webhooks they sign; 'local' without a key.")],
) -> None:
    """Print the secrets that a tenant's webhooks are signed with, the newest first."""
    for secret in signing_secrets(get_settings().webhook_secrets, tenant):
        typer.echo(secret.get_secret_value())


def _keys() -> KeyStore:
    return KeyStore(open_redis(get_settings()))


def _scopes(scopes: frozenset[Scope]) -> str:
    return ",".join(sorted(scopes))


def main() -> None:
    """Errors are a message and status 1, not a traceback."""
    try:
        app()
    except (KeyNotFoundError, ValueError) as error:
        _fail(str(error))
    except RedisError as error:
        _fail(f"Redis cannot be used, see CATALOG_REDIS_URL: {error}")


def _fail(problem: str) -> NoReturn:
    typer.echo(f"error: {problem}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
