"""`docker compose run --rm demo`: a batch of sample products through a stack of containers, to its signed webhook."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from shared.settings import Settings, get_settings
from shared.stores.opening import open_redis
from shared.tenants.api_keys import KeyStore, Scope
from shared.tenants.webhook_secrets import signing_secrets
from stack.demo import WEBHOOK_S, python, say
from stack.receiver import WebhookReceiver

_TENANT = "demo"


def run(api: str, items: int) -> None:
    """With a key of its own, which is revoked at the end.

    Raises:
        subprocess.CalledProcessError, queue.Empty: the batch failed, or its webhook did not come.
    """
    settings = get_settings()
    signing = [secret.get_secret_value() for secret in signing_secrets(settings.webhook_secrets, _TENANT)]
    with (
        TemporaryDirectory() as folder,
        _key(settings) as key,
        WebhookReceiver(*signing, host=_address(settings)) as receiver,
    ):
        python("-m", "training.sample.shop", folder, "--items", str(items))
        table, pictures = Path(folder, "products.csv"), Path(folder, "pictures")
        python(
            *("-m", "catalog_client", "submit", str(table), "--pictures", str(pictures)),
            *("--webhook", receiver.url, "--url", api, "--key", key),
        )
        event = receiver.received.get(timeout=WEBHOOK_S)
    say(f"\nThe signed webhook came and its signature is right: {event['type']} {event['data']['counts']}")


@contextmanager
def _key(settings: Settings) -> Iterator[str]:
    keys = KeyStore(open_redis(settings))
    made, key = keys.create(_TENANT, [Scope.CLASSIFY], "the demonstration", by="catalog-run demo")
    try:
        yield key
    finally:
        keys.revoke(made.id)


def _address(settings: Settings) -> str:
    """This machine's own that webhooks may lead to."""
    addresses = [
        address.address
        for interface in psutil.net_if_addrs().values()
        for address in interface
        if address.family is socket.AF_INET
    ]
    for address in addresses:
        if any(ip_address(address) in network for network in settings.allowed_networks):
            return address
    sys.exit(f"none of {', '.join(addresses)} is in CATALOG_ALLOWED_NETWORKS: the webhook could not be delivered")


if __name__ == "__main__":
    run(os.environ["CATALOG_URL"], int(sys.argv[1]) if len(sys.argv) > 1 else 122)
