"""A webhook leads to the public internet, or to networks that the operator allowed, and nowhere else."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import hook_addresses
from devices.hook_addresses import Target, check_url, reachable
from tenants.errors import Refusal

PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",  # Alibaba's metadata
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",  # Azure's
    "169.254.169.254",  # everybody's
    "169.254.170.2",  # a container's, at Amazon
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",  # Oracle's
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:1.1.1.1",
    "::ffff:0:7f00:1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::c0a8:101",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # Amazon's, over IPv6
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_reached(address: str) -> None:
    assert reachable(address, [])


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_all_others_are_not(address: str) -> None:
    assert not reachable(address, [])


@given(st.integers(0, 2**32 - 1))
def test_no_way_to_write_an_ipv4_address_in_an_ipv6_one_reaches_more(number: int) -> None:
    plain = reachable(str(IPv4Address(number)), [])
    translated = str(IPv6Address((0x64FF9B << 96) | number))
    assert reachable(translated, []) == plain
    for prefix in (0, 0xFFFF << 32, 0xFFFF << 48, (0x2002 << 112) | (number << 80), 0x20010000 << 96):
        assert not reachable(str(IPv6Address(prefix | number)), [])


def test_an_allowed_network_is_reached_and_nothing_beside_it() -> None:
    allowed = hook_addresses.networks(["10.1.0.0/16", " fd12::/32", ""])
    assert reachable("10.1.255.1", allowed)
    assert reachable("fd12:0:1::1", allowed)
    for address in ("10.2.0.1", "127.0.0.1", "fd13::1", "::ffff:10.1.0.1", "64:ff9b::10.1.0.1"):
        assert not reachable(address, allowed)


@pytest.mark.parametrize("text", ["10.1.0.1/16", "example.com", "10.1.0.0/33", "*"])
def test_what_is_no_network_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        hook_addresses.networks([text])


FINE = {
    "https://hooks.example.com": Target("hooks.example.com", 443, "/"),
    "https://hooks.example.com:8443/a/b?c=d&e": Target("hooks.example.com", 8443, "/a/b?c=d&e"),
    "https://Hooks.Example.com?x": Target("hooks.example.com", 443, "/?x"),
    "https://xn--bcher-kva.example/": Target("xn--bcher-kva.example", 443, "/"),
    "https://[2606:4700::1111]/x": Target("2606:4700::1111", 443, "/x"),
    "https://1.1.1.1:444/": Target("1.1.1.1", 444, "/"),
    "https://inside/": Target("inside", 443, "/"),
}


@pytest.mark.parametrize(("url", "target"), FINE.items())
def test_a_url_is_taken_apart(url: str, target: Target) -> None:
    assert check_url(url, []) == target


def test_the_host_header_says_what_was_asked_for() -> None:
    assert check_url("https://[2606:4700::1111]:8443/", []).authority == "[2606:4700::1111]:8443"
    assert check_url("https://hooks.example.com:443/", []).authority == "hooks.example.com"


WRONG = [
    "",
    "hooks.example.com",
    "http://hooks.example.com/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "gopher://hooks.example.com/",
    "https:hooks.example.com",
    "https:///path",
    "https://",
    "https://user@hooks.example.com/",
    "https://user:password@hooks.example.com/",
    "https://@hooks.example.com/",
    "https://1.1.1.1@127.0.0.1/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:25/",
    "https://hooks.example.com:99999/",
    "https://hooks.example.com:-1/",
    "https://hooks.example.com:port/",
    "https://hooks.example.com/#part",
    "https://hooks.example.com/#",
    "https://hooks.example.com\\@127.0.0.1/",
    "https://hooks.example.com/a b",
    "https://hooks.example.com/\r\nHost: other",
    "https://hooks.example.com/\x00",
    "https://bücher.example/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://10.0.0.1:8443/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[::1/",
    "https://a..example/",
    "https://-.example-/x:y",
    "https://*.example.com/",
    "https://" + "a" * 64 + ".example/",
    "https://hooks.example.com/" + "a" * 500,
]


@pytest.mark.parametrize("url", WRONG)
def test_what_leads_nowhere_or_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_url(url, [])
    assert refused.value.code == "INVALID"
    assert set(refused.value.errors or {}) == {"url"}


def test_an_allowed_network_may_be_named_by_address() -> None:
    allowed = [ip_network("127.0.0.0/8")]
    assert check_url("https://127.0.0.1:8443/", allowed).port == 8443


@given(st.text(max_size=40) | st.from_regex(r"https://[ -~]{0,30}", fullmatch=True))
def test_any_text_is_refused_or_is_a_url_of_a_host(url: str) -> None:
    try:
        found = check_url(url, [])
    except Refusal:
        return
    assert url.startswith(("https://", "HTTPS://")) or url.lower().startswith("https://")
    assert found.host
    assert found.path.startswith("/")
    assert found.path.isascii()
