"""`catalog-keys`: API keys, webhook secrets and the administrative log. It needs access to Redis."""

import getpass
import sys
from typing import Annotated, NoReturn

import typer
from redis import RedisError

from shared.settings import get_settings
from shared.stores.opening import open_redis
from shared.tenants.admin_log import AdminLog, BrokenLogError
from shared.tenants.api_keys import KeyNotFoundError, KeyStore, Scope
from shared.tenants.webhook_secrets import signing_secrets

app = typer.Typer(
    no_args_is_help=True,
    help="Create, list and revoke API keys, print the secrets that sign webhooks, and check the administrative log.",
)


@app.command()
def create(
    tenant: Annotated[str, typer.Option(help="The tenant the key belongs to: lower-case letters, digits and dashes.")],
    scope: Annotated[list[Scope], typer.Option(help="What the key allows; repeat the option for several scopes.")],
    name: Annotated[str, typer.Option(help="A note on who holds the key.")] = "",
) -> None:
    """Create a key and print it. It cannot be shown again."""
    key, text = _keys().create(tenant, scope, name, by=_operator())
    typer.echo(f"key {key.id} for tenant {key.tenant} ({_scopes(key.scopes)}), shown only this once:", err=True)
    typer.echo(text)
    typer.echo("Send it with each request as the header 'Authorization: Bearer <key>'.", err=True)


@app.command(name="list")
def list_keys() -> None:
    """List all keys, without their secrets."""
    keys = _keys().list()
    if not keys:
        typer.echo("no key exists yet: only callers on this machine are served", err=True)
    for key in keys:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "active"
        typer.echo(f"{key.id}  {key.tenant}  {_scopes(key.scopes)}  {key.created_at:%Y-%m-%d}  {state}  {key.name}")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `catalog-keys list` shows it.")],
) -> None:
    """Revoke a key. It is refused from the next request on, and requests under way with it end within seconds."""
    key = _keys().revoke(key_id, by=_operator())
    typer.echo(f"key {key.id} of tenant {key.tenant} is revoked", err=True)


@app.command()
def webhook_secrets(
    tenant: Annotated[
        str, typer.Argument(help="The tenant whose webhooks the secrets sign; 'local' if there is no API key.")
    ],
) -> None:
    """Print the secrets that sign a tenant's webhooks, the newest first."""
    for secret in signing_secrets(get_settings().webhook_secrets, tenant):
        typer.echo(secret.get_secret_value())


@app.command()
def audit() -> None:
    """Print the administrative log, the oldest entry first, and check that nothing in it was changed."""
    newest = None
    for newest in AdminLog(open_redis(get_settings())).entries():
        facts = "  ".join(f"{name}={value}" for name, value in newest.facts.items())
        typer.echo(f"{newest.number}  {newest.at:%Y-%m-%dT%H:%M:%SZ}  {newest.act}  by {newest.by}  {facts}")
    if newest is None:
        typer.echo("the administrative log is empty", err=True)
    else:
        typer.echo(f"{newest.number} entries, none of them changed; the newest has the hash {newest.hash}", err=True)


def _operator() -> str:
    """The account that runs the command."""
    try:
        return f"command/{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user need not have a name
        return "command"


def _keys() -> KeyStore:
    return KeyStore(open_redis(get_settings()))


def _scopes(scopes: frozenset[Scope]) -> str:
    return ",".join(sorted(scopes))


def main() -> None:
    """Run the command `catalog-keys`; an error is a message and status 1, not a traceback."""
    try:
        app()
    except (KeyNotFoundError, BrokenLogError, ValueError) as error:
        _fail(str(error))
    except RedisError as error:
        _fail(f"Redis cannot be used, check CATALOG_REDIS_URL: {error}")


def _fail(problem: str) -> NoReturn:
    typer.echo(f"error: {problem}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
