"""Keeps the product from calling addresses inside its own network on a stranger's word (SSRF).

The host name is resolved once, every address it has must be public, and the connection goes to that very address: a
name that resolves differently a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from core.errors import AddressRefused, AddressUnknown, FieldError, InvalidRequest
from core.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_PLATFORM = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "169.254.169.254", "fd00:ec2::254")))
"""Where clouds answer questions about themselves; Azure's 168.63.129.16 looks like any public address."""


@dataclass(frozen=True)
class Target:
    """A URL that may be called, and the address to connect to."""

    url: str
    host: str
    port: int
    address: str


def check_url(url: str, *, allow_private: bool) -> SplitResult:
    """What can be told without asking DNS. Raises ``AddressRefused``."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise AddressRefused("the URL has characters that must be percent-encoded, or written as xn--… in the host")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused(f"not a URL: {error}") from None
    if parts.scheme not in (("https", "http") if allow_private else ("https",)):
        raise AddressRefused("the URL must start with " + ("https:// or http://" if allow_private else "https://"))
    if not parts.hostname or port == 0:
        raise AddressRefused("the URL names no host")
    if parts.username or parts.password:
        raise AddressRefused("the URL must not carry a user name or password")
    if not allow_private and (address := _literal(parts.hostname)):
        _check_address(address)
    return parts


def check_callback_url(url: str, pointer: str, settings: Settings) -> None:
    """Refuse a URL that a client gave at ``pointer``, as far as DNS is not needed. Raises ``InvalidRequest``."""
    try:
        check_url(url, allow_private=settings.allow_private_callbacks)
    except AddressRefused as error:
        raise InvalidRequest([FieldError(pointer, error.detail)]) from None


def resolve(url: str, *, allow_private: bool, lookup: Resolve | None = None) -> Target:
    """Check the URL, resolve its host and check every address. Raises ``AddressRefused`` or ``AddressUnknown``."""
    parts = check_url(url, allow_private=allow_private)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = (lookup or _lookup)(host, port)
    if not addresses:
        raise AddressUnknown(f"{host} has no address")
    if not allow_private:
        for address in addresses:
            _check_address(ipaddress.ip_address(address))
    return Target(url, host, port, addresses[0])


def is_public(address: Address) -> bool:
    """Whether the address is a host on the internet: global, not multicast, no cloud's own, in any of its disguises."""
    if address in _PLATFORM:
        return False
    if isinstance(address, ipaddress.IPv6Address) and (inner := _embedded(address)):
        return is_public(inner)
    return address.is_global and not address.is_multicast


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _check_address(address: Address) -> None:
    if not is_public(address):
        raise AddressRefused(f"{address} is not a public address")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _lookup(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressUnknown(f"{host} cannot be resolved: {error}") from None
    return [str(entry[4][0]).partition("%")[0] for entry in found]
