"""What a stack of containers needs before it starts, made once: `python -m stack.provision PART …`.

The parts are `webhooks`, `redis`, `mlflow`, `observe-key` and `grafana`.
"""

import os
import secrets
import subprocess
import sys
from base64 import b64encode
from json import dumps
from pathlib import Path

from shared.settings import ACCESS, SECRETS

MLFLOW = Path("/run/mlflow")
"""Folder of the passwords of MLflow's accounts, for its server alone."""
GRAFANA = Path("/run/grafana")
"""Folder of the password of Grafana's administrator, for its server alone."""
OBSERVE_KEY = "observe-key"
"""The file with the key that Prometheus sends."""


def master_secret() -> str:
    """Master secret from which tenants' webhook secrets are derived."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


def keep(path: Path, secret: str, mode: int = 0o600) -> None:
    """By default readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=mode)
    path.write_text(secret)


def webhooks(folder: Path = SECRETS) -> None:
    """A master secret, as the setting `webhook_secrets` reads it."""
    path = folder / "catalog_webhook_secrets"
    if path.exists():
        print(f"{path} is there")
    else:
        keep(path, dumps([master_secret()]))
        print(f"{path} was made")


def redis(folder: Path = ACCESS) -> None:
    """A password of Redis, as its server and the settings read it.

    The server runs as another user than the service. Only their containers have the folder.
    """
    password = folder / "redis-password"
    if not password.exists():
        keep(password, secrets.token_hex(32), 0o644)
    text = password.read_text().strip()
    keep(folder / "redis.conf", f"requirepass {text}\n", 0o644)
    for name, database in (("catalog_redis_url", 0), ("catalog_broker_url", 1)):
        keep(folder / name, f"redis://:{text}@redis:6379/{database}", 0o644)
    print(f"{password} is there")


def mlflow(folder: Path = MLFLOW, access: Path = ACCESS) -> None:
    """Passwords of MLflow's accounts, as `start_mlflow.sh` reads them, and the service's as the settings read it."""
    for account in ("admin", "service"):
        path = folder / f"{account}-password"
        if not path.exists():
            keep(path, secrets.token_hex(32))
        print(f"{path} is there")
    keep(access / "catalog_mlflow_password", (folder / "service-password").read_text().strip())


def observe_key(folder: Path = SECRETS) -> None:
    """A key with which all tenants' figures can be read; the server that has it runs as another user."""
    path = folder / OBSERVE_KEY
    if path.exists():
        print(f"{path} is there")
        return
    create = [sys.executable, "-m", "api.access.keys_cli", "create", "--tenant", "monitoring", "--scope", "observe"]
    made = subprocess.run(create, check=True, stdout=subprocess.PIPE, text=True)
    keep(path, made.stdout.strip(), 0o644)
    print(f"{path} was made")


def grafana(folder: Path = GRAFANA) -> None:
    """The password of Grafana's administrator: the environment's, or one of our own; its server is another user."""
    path, given = folder / "admin-password", os.environ.get("GRAFANA_PASSWORD")
    if given or not path.exists():
        keep(path, given or secrets.token_hex(32), 0o644)
    print(f"{path} is there")


_PARTS = {"webhooks": webhooks, "redis": redis, "mlflow": mlflow, "observe-key": observe_key, "grafana": grafana}

if __name__ == "__main__":
    if not sys.argv[1:] or not _PARTS.keys() >= set(sys.argv[1:]):
        sys.exit(__doc__)
    for part in sys.argv[1:]:
        _PARTS[part]()
