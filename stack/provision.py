"""What a stack of containers needs before it starts, made once: `python -m stack.provision webhooks|observe-key`."""

import secrets
import subprocess
import sys
from base64 import b64encode
from json import dumps
from pathlib import Path

from shared.settings import SECRETS

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


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["webhooks"]:
            webhooks()
        case ["observe-key"]:
            observe_key()
        case _:
            sys.exit(__doc__)
