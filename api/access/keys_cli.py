"""`catalog-keys`: API keys, webhook secrets and the administrative log. It needs access to Redis."""

import getpass
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from redis import RedisError

from shared.settings import get_settings, wrong_settings
from shared.stores.opening import open_redis
from shared.stores.redis_check import explained
from shared.stores.state_format import NewerStateError, claim
from shared.tenants.admin_log import AdminLog, BrokenLogError
from shared.tenants.api_keys import ApiKey, KeyNotFoundError, KeyStore, Scope
from shared.tenants.webhook_secrets import signing_secrets

_LIFETIME = re.compile("([1-9][0-9]{0,3})([dh])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1)}

app = typer.Typer(
    no_args_is_help=True,
    help="Create, list and revoke API keys, print the secrets that sign webhooks, and check the administrative log.",
)


@app.command()
def create(
    tenant: Annotated[str, typer.Option(help="The tenant the key belongs to: lower-case letters, digits and dashes.")],
    scope: Annotated[list[Scope], typer.Option(help="What the key allows; repeat the option for several scopes.")],
    name: Annotated[str, typer.Option(help="A note on who holds the key.")] = "",
    expires: Annotated[
        str | None,
        typer.Option(help="When the key ends: 90d, 12h, or a date or time in UTC such as 2027-01-31; else never."),
    ] = None,
) -> None:
    """Create a key and print it. It cannot be shown again."""
    keys = _keys()
    end = None if expires is None else end_of(expires, keys.now())
    key, text = keys.create(tenant, scope, name, by=_operator(), expires_at=end)
    told = f"key {key.id} for tenant {key.tenant} ({_scopes(key.scopes)}), {_standing(key, keys.now())}"
    typer.echo(f"{told}, shown only this once:", err=True)
    typer.echo(text)
    typer.echo("Send it with each request as the header 'Authorization: Bearer <key>'.", err=True)


@app.command(name="list")
def list_keys() -> None:
    """List all keys, without their secrets."""
    store = _keys()
    keys, now = store.list(), store.now()
    if not keys:
        typer.echo("no key exists yet: only callers on this machine are served", err=True)
    for key in keys:
        standing = _standing(key, now)
        typer.echo(f"{key.id}  {key.tenant}  {_scopes(key.scopes)}  {key.created_at:%Y-%m-%d}  {standing}  {key.name}")


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


def end_of(text: str, now: datetime) -> datetime:
    """Return the moment, in UTC, that `--expires` names: a time from now, or a date's first moment.

    Raises:
        ValueError: It names none.
    """
    if match := _LIFETIME.fullmatch(text):
        number, unit = match.groups()
        return now + int(number) * _UNITS[unit]
    try:
        end = datetime.fromisoformat(text)
        return end.astimezone(UTC) if end.tzinfo else end.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        examples = "a date or time such as 2027-01-31 or 2027-01-31T18:00Z"
        raise ValueError(f"--expires takes 1d to 9999d, 1h to 9999h, or {examples}") from error


def _standing(key: ApiKey, now: datetime) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "active"
    return f"{'ended' if key.ended(now) else 'active until'} {key.expires_at:%Y-%m-%d %H:%M} UTC"


def _operator() -> str:
    """The account that runs the command."""
    try:
        return f"command/{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user need not have a name
        return "command"


def _keys() -> KeyStore:
    redis = open_redis(get_settings())
    claim(redis)
    return KeyStore(redis)


def _scopes(scopes: frozenset[Scope]) -> str:
    return ",".join(sorted(scopes))


def main() -> None:
    """Run the command `catalog-keys`; an error is a message and status 1, not a traceback."""
    try:
        app()
    except ValidationError as error:
        _fail("\n".join(wrong_settings(error)))
    except (KeyNotFoundError, BrokenLogError, NewerStateError, ValueError) as error:
        _fail(str(error))
    except RedisError as error:
        _fail(f"Redis cannot be used, check CATALOG_REDIS_URL: {explained(error)}")


def _fail(problem: str) -> NoReturn:
    typer.echo(f"error: {problem}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
