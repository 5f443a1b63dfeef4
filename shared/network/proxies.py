"""Proxies that the environment names lead out of the network: what is on this machine or beside it needs none.

Programs ask `no_proxy` and `NO_PROXY`, and few spare the loopback interface by themselves.
"""

import os
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def direct(*urls: str) -> dict[str, str]:
    """Return the variables with which programs reach the loopback interface, and these URLs' hosts, without a proxy.

    A host whose name has a dot is left out: it may be one that only a proxy reaches.
    """
    hosts = [host for url in urls if "." not in (host := urlsplit(url).hostname or "") and host]
    return {
        name: ",".join(dict.fromkeys([*_named(os.environ.get(name, "")), *LOOPBACK, *hosts]))
        for name in ("no_proxy", "NO_PROXY")
    }


def _named(hosts: str) -> list[str]:
    return [host.strip() for host in hosts.split(",") if host.strip()]
