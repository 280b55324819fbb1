"""No stranger makes the product call an address inside its own network."""

from __future__ import annotations

import ipaddress

import pytest

from core.errors import AddressRefused, AddressUnknown
from core.webhooks.address_guard import check_url, is_public, resolve

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "168.63.129.16", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1",
    "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2001:db8::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_on_the_internet_are_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused):
        check_url(f"https://{host}/hook", allow_private=False)
    with pytest.raises(AddressRefused):
        resolve("https://innocent.example/hook", allow_private=False, lookup=lambda host, port: [address])


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    target = resolve("https://example.org/hook", allow_private=False, lookup=lambda host, port: [address])
    assert (target.host, target.port, target.address) == ("example.org", 443, address)


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(AddressRefused):
        resolve("https://x.example", allow_private=False, lookup=lambda host, port: ["8.8.8.8", "10.0.0.1"])


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "ftp://example.org/", "file:///etc/passwd", "https://", "https:///path", "//example.org",
        "https://user:secret@example.org/", "https://example.org:0/", "https://example.org:99999/", "https://[::1",
        "javascript:alert(1)", "", "https://localhost:1/@",
    ],
)  # fmt: skip
def test_urls_that_are_no_public_https_urls_are_refused(url: str) -> None:
    if url == "https://localhost:1/@":
        with pytest.raises(AddressRefused):
            resolve(url, allow_private=False)
        return
    with pytest.raises(AddressRefused):
        check_url(url, allow_private=False)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "017700000001"])
def test_an_address_in_disguise_is_seen_through_once_it_is_resolved(host: str) -> None:
    with pytest.raises((AddressRefused, AddressUnknown)):
        resolve(f"https://{host}/", allow_private=False)


def test_development_settings_allow_http_and_private_addresses() -> None:
    assert resolve("http://127.0.0.1:8080/x", allow_private=True).address == "127.0.0.1"
    with pytest.raises(AddressRefused):
        check_url("ftp://127.0.0.1/", allow_private=True)


def test_a_name_that_does_not_resolve_may_be_tried_again() -> None:
    with pytest.raises(AddressUnknown) as caught:
        resolve("https://example.org/", allow_private=False, lookup=lambda host, port: [])
    assert caught.value.retryable
