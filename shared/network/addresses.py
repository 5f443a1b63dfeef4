"""Addresses that a client's URL may lead to: public ones, and networks that the operator allows.

The list follows IANA's special-purpose registries. It is written out because `ipaddress.is_global` counts multicast as
global, does not look into tunnels and differs between releases of Python.
"""

import socket
import unicodedata
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

_FORBIDDEN = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host, on a formally public address
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved; broadcast
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)
_UNICAST = ip_network("2000::/3")
"""All public IPv6 addresses: loopback, link-local, private and multicast addresses lie outside."""
_6TO4 = ip_network("2002::/16")
_NAT64 = ip_network("64:ff9b::/96")
"""The well-known prefix. The prefix for local use, 64:ff9b:1::/48, is never public."""

_THIS_MACHINE = "127.0.0.1"


def may_connect(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether the address is public or in one of the `allowed` networks.

    IPv4-mapped IPv6 addresses are judged as IPv4; for 6to4 and NAT64 the embedded address must be public too.

    Raises:
        ValueError: This is not an IP address.
    """
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in allowed) or _is_public(parsed)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return _is_public(IPv4Address(address.packed[12:]))
        if address in _6TO4:
            return _is_public(IPv4Address(address.packed[2:6]))
        if address not in _UNICAST:
            return False
    return not any(address in network for network in _FORBIDDEN)


def forbidden_host(url: str, allowed: Sequence[Network] = ()) -> str | None:
    """Explain why the URL's host is forbidden, human-readable; `None` if that cannot be seen without DNS.

    It lets a client know at once. What protects is `may_connect`, with the address that the name resolves to.
    """
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not host:
        return "the URL has no host, or none that can be read"
    # As browsers do, for hosts such as "①②⑦。⓪。⓪。①".
    host = unicodedata.normalize("NFKC", host).replace("。", ".").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return None if may_connect(_THIS_MACHINE, allowed) else f"{host} is not a public address"
    address = _literal(host)
    if address is None or may_connect(address, allowed):
        return None
    meant = "" if address == host else f" means {address}, which"
    return f"{host}{meant} is not a public address"


def _literal(host: str) -> str | None:
    """Return the address if the host is one, also as `2130706433`, `0x7f.1` or `127.1`, which resolvers accept."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, ValueError):
        pass
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return None
