"""Who a request's address stands for, where callers are counted by it."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network

from pydantic import IPvAnyNetwork


def network_of(address: str, proxies: Sequence[IPvAnyNetwork] = ()) -> str | None:
    """The address itself, or of IPv6 its /64 network, all of which one caller usually has.

    Returns `None` for one of the proxies, which stands for many callers. What is no address is returned as it is.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or ip
    if any(ip in network for network in proxies):
        return None
    return str(ip_network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) else str(ip)
