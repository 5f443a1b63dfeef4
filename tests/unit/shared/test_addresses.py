from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.network.addresses import forbidden_host, may_connect

LOOPBACK = (ip_network("127.0.0.0/8"),)
FORBIDDEN_IPV4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
]

ipv4 = st.integers(0, 2**32 - 1).map(IPv4Address)
forbidden_ipv4 = st.sampled_from(FORBIDDEN_IPV4).flatmap(
    lambda network: st.ip_addresses(network=network)  # its ends more often than not
)


def _dressed(address: IPv4Address) -> list[str]:
    """The IPv4 address as IPv6 knows it: mapped, 6to4, NAT64."""
    number = int(address)
    values = [0xFFFF << 32 | number, 0x2002 << 112 | number << 80 | 1, 0x64FF9B << 96 | number]
    return [str(IPv6Address(value)) for value in values]


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "168.63.129.15", "2606:4700::1111", "2a00:1450:4007::200e"])
def test_a_public_address_may_be_connected_to(address: str) -> None:
    assert may_connect(address)


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),  # metadata
        *("127.0.0.1", "127.255.255.255", "::1"),  # loopback
        *("10.1.2.3", "172.31.255.255", "192.168.0.1", "fc00::1", "fd12::1"),  # private
        *("fe80::1", "fe80::1%eth0", "fec0::1"),  # link-local, site-local
        *("224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"),  # multicast; ff0e is multicast with global scope
        *("0.0.0.0", "::", "255.255.255.255", "240.0.0.1"),  # unspecified, broadcast, reserved
        *("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"),  # documentation
        *("::ffff:127.0.0.1", "::ffff:a00:1", "::127.0.0.1"),  # mapped, and the older "compatible"
        *("2002:7f00:1::", "2002:a9fe:a9fe::1"),  # 6to4
        *("64:ff9b::7f00:1", "64:ff9b:1::808:808"),  # NAT64, and its prefix for local use
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001::1"),  # Teredo
    ],
)
def test_an_address_that_is_not_public_may_not_be_connected_to(address: str) -> None:
    assert not may_connect(address)


@given(forbidden_ipv4)
def test_a_forbidden_address_is_forbidden_as_mapped_ipv6_too(address: IPv4Address) -> None:
    assert not any(map(may_connect, [str(address), *_dressed(address)]))


@given(ipv4)
def test_a_mapped_address_is_judged_as_ipv4(address: IPv4Address) -> None:
    assert {may_connect(dressed) for dressed in _dressed(address)} == {may_connect(str(address))}


@given(st.ip_addresses(v=4) | st.ip_addresses(network="2000::/3"))
def test_what_python_calls_special_is_never_permitted(address: IPv4Address | IPv6Address) -> None:
    special = not address.is_global or address.is_multicast or address.is_reserved
    assert not (special and may_connect(str(address)))


@given(st.ip_addresses(v=6).filter(lambda address: address not in ip_network("2000::/3")))
def test_only_unicast_ipv6_is_public(address: IPv6Address) -> None:
    dressed = address.ipv4_mapped or address in ip_network("64:ff9b::/96")
    assert dressed or not may_connect(str(address))


@given(st.ip_addresses(network="127.0.0.0/8"))
def test_an_allowed_network_may_be_connected_to_also_as_mapped(address: IPv4Address) -> None:
    mapped, six_to_four, nat64 = _dressed(address)
    assert may_connect(str(address), LOOPBACK)
    assert may_connect(mapped, LOOPBACK)
    assert not may_connect(six_to_four, LOOPBACK)
    assert not may_connect(nat64, LOOPBACK)


def test_an_allowed_network_allows_nothing_else() -> None:
    assert not may_connect("10.0.0.1", LOOPBACK)
    assert not may_connect("::1", LOOPBACK)
    assert may_connect("::1", [ip_network("::1/128")])


def test_text_that_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="localhost"):
        may_connect("localhost")


@pytest.mark.parametrize(
    "url",
    ["https://shop.example/hook", "http://8.8.8.8/", "http://[2606:4700::1111]:8080/x", "https://localhost.example/"],
)
def test_a_host_that_may_be_public_is_not_refused_early(url: str) -> None:
    assert forbidden_host(url) is None


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0", "127.0.0.1.", "①②⑦。⓪.⓪.①"),
        *("[::1]", "[::ffff:127.0.0.1]", "[fe80::1%25eth0]", "[0:0:0:0:0:0:0:1]"),
        *("localhost", "LOCALHOST.", "api.localhost", "169.254.169.254"),
    ],
)
def test_a_host_that_is_plainly_internal_is_refused_early(host: str) -> None:
    for url in (f"http://{host}", f"https://user:word@{host}:8080/hook?x=1"):
        reason = forbidden_host(url)
        assert reason is not None
        assert reason.endswith("is not a public address")


def test_the_reason_says_what_an_odd_literal_means() -> None:
    assert forbidden_host("http://0x7f.1/") == "0x7f.1 means 127.0.0.1, which is not a public address"
    assert forbidden_host("http://10.0.0.1/") == "10.0.0.1 is not a public address"


@pytest.mark.parametrize("url", ["http://127.1:5000/", "http://localhost/", "http://[::ffff:127.0.0.1]/"])
def test_an_allowed_host_is_not_refused(url: str) -> None:
    assert forbidden_host(url, LOOPBACK) is None


@pytest.mark.parametrize("url", ["", "shop.example/hook", "http://", "http:///hook", "http://[::1", "http://[x]/"])
def test_a_url_without_a_readable_host_is_refused(url: str) -> None:
    assert forbidden_host(url) == "the URL has no host, or none that can be read"


@given(st.text())
def test_forbidden_host_accepts_any_text(text: str) -> None:
    for url in (text, f"http://{text}/", f"http://[{text}]/"):
        assert forbidden_host(url) is None or isinstance(forbidden_host(url), str)


@given(ipv4)
def test_forbidden_host_agrees_with_may_connect(address: IPv4Address) -> None:
    hosts = [str(address), str(int(address)), hex(int(address)), *(f"[{dressed}]" for dressed in _dressed(address))]
    for host in hosts:
        assert (forbidden_host(f"http://{host}/") is None) == may_connect(str(ip_address(address)))
