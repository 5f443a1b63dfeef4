"""What the environment's proxies are not used for."""

import httpx
import pytest
from requests.utils import get_environ_proxies

from shared.network.proxies import LOOPBACK, direct


@pytest.fixture(autouse=True)
def proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def _proxied(monkeypatch: pytest.MonkeyPatch, url: str) -> bool:
    """Whether requests, and so MLflow's client, would ask a proxy."""
    for name, value in direct("http://mlflow:5001", "https://mlflow.example.com").items():
        monkeypatch.setenv(name, value)
    return bool(get_environ_proxies(url, no_proxy=None))


@pytest.mark.parametrize("host", [*("[::1]" if host == "::1" else host for host in LOOPBACK), "mlflow"])
def test_the_loopback_interface_and_hosts_without_a_domain_are_reached_directly(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get_environ_proxies(f"http://{host}:5001/", no_proxy=None)
    assert not _proxied(monkeypatch, f"http://{host}:5001/")


@pytest.mark.parametrize("host", ["mlflow.example.com", "example.com", "notmlflow"])
def test_other_hosts_are_left_to_the_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _proxied(monkeypatch, f"http://{host}/")


def test_what_the_environment_spares_stays_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", " .corp, localhost ")
    monkeypatch.setenv("NO_PROXY", "*")
    assert direct("http://mlflow:5001") == {
        "no_proxy": ".corp,localhost,127.0.0.1,::1,mlflow",
        "NO_PROXY": "*,localhost,127.0.0.1,::1,mlflow",
    }
    for name, value in direct().items():
        monkeypatch.setenv(name, value)
    assert httpx.Client()  # which refuses some forms of an IPv6 address
