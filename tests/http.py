"""Callers of an API that runs in the test's own process."""

from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from shared.settings import Settings

LOOPBACK = "127.0.0.1"


def local_client(settings: Settings) -> TestClient:
    """A caller on the API's machine, who needs no key while there is none; as a context manager it runs the API."""
    return client_of(create_app(settings))


def client_of(app: FastAPI, address: str = LOOPBACK, key: str | None = None) -> TestClient:
    """A caller at `address` of an app that runs already."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return TestClient(app, base_url=f"http://{LOOPBACK}", client=(address, 50_000), headers=headers)
