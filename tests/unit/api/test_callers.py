from ipaddress import ip_network

import pytest

from api.http.callers import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("", ""),
        ("10.1.2.3", None),
        ("::ffff:10.1.2.3", None),
        ("fd00::1", None),
        ("10.2.2.3", "10.2.2.3"),
    ],
)
def test_one_caller_is_one_address_or_network(address: str, network: str | None) -> None:
    proxies = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert network_of(address, proxies) == network
