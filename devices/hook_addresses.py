"""Where a webhook may lead: which URLs, and which addresses its name may resolve to. This file does not know Django.

Whoever makes a webhook has Keyseed open a connection for them: it must reach nothing that they could not reach
themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from tenants.errors import Refusal, invalid

Network = IPv4Network | IPv6Network

URL_MOST = 500
HTTPS = 443
NOT_FOR_HTTP = frozenset(
    {22, 23, 25, 53, 110, 111, 135, 139, 143, 389, 445, 465, 587, 636, 993, 995, 2049, 3306, 5432}
)
"""Ports of services that are no webhook's: a text that looks like HTTP must not get to them."""

_VISIBLE = re.compile(r"[!-~]+")
_NAME = re.compile(
    r"(?=.{1,254}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z][A-Za-z0-9-]{0,62}\.?"
)
"""A host name; its last label begins with a letter, so that no way to write an IPv4 address is one."""

_UNICAST = ip_network("2000::/3")
_TRANSLATED = ip_network("64:ff9b::/96")
"""How a network without IPv4 names an IPv4 address (RFC 6052)."""
_NEVER: tuple[Network, ...] = (
    ip_network("168.63.129.16/32"),  # Azure's service for its virtual machines
    ip_network("192.0.0.0/24"),  # protocol assignments (RFC 6890)
    ip_network("192.88.99.0/24"),  # 6to4 relays (RFC 7526)
    ip_network("2001::/23"),  # protocol assignments, among them Teredo, which holds an IPv4 address
    ip_network("2002::/16"),  # 6to4, which holds an IPv4 address
    ip_network("3fff::/20"),  # documentation (RFC 9637)
)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart: `path` begins with a slash and has the query."""

    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What stands in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTPS else f"{host}:{self.port}"


def networks(texts: Iterable[str]) -> list[Network]:
    """The networks of KEYSEED_WEBHOOK_ALLOW. Raises ValueError."""
    return [ip_network(text.strip()) for text in texts if text.strip()]


def check_url(url: str, allowed: Sequence[Network]) -> Target:
    """Where this URL leads. Raises `Refusal` INVALID about `url`; names are not resolved here."""
    if len(url) > URL_MOST or not _VISIBLE.fullmatch(url) or "\\" in url:
        raise invalid("url", f"Must be at most {URL_MOST} visible ASCII characters; write others as %XX.")
    try:
        parts = urlsplit(url)
        port = HTTPS if parts.port is None else parts.port
        host = parts.hostname or ""
    except ValueError:
        raise invalid("url", "Must be a URL such as https://hooks.example.com/keyseed.") from None
    if parts.scheme != "https":
        raise invalid("url", "Must begin with https://.")
    if "@" in parts.netloc:
        raise invalid("url", "Must not hold a user name or password: verify the signature instead.")
    if parts.fragment or "#" in url:
        raise invalid("url", "Must not hold a fragment (#…): it is never sent.")
    if port == 0 or port in NOT_FOR_HTTP:
        raise invalid("url", f"Port {port} is not for webhooks: take 443 or another one.")
    _check_host(host, allowed)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host, port, path)


def host(url: str) -> str:
    """The host of a URL that was checked."""
    return urlsplit(url).hostname or ""


def _check_host(host: str, allowed: Sequence[Network]) -> None:
    try:
        ip_address(host)
    except ValueError:
        if not _NAME.fullmatch(host):
            raise _no_host() from None
        return
    if "%" in host:
        raise _no_host()
    if not reachable(host, allowed):
        raise invalid("url", f"Its address is not one of the public internet. {HOW}")


def _no_host() -> Refusal:
    return invalid("url", "Must name a host, such as hooks.example.com, or a plain IP address.")


HOW = "The operator of this installation can allow own networks with KEYSEED_WEBHOOK_ALLOW."


def reachable(address: str, allowed: Sequence[Network]) -> bool:
    """Whether a webhook may be connected to at this IP address: a public one, or one of `allowed`."""
    ip: IPv4Address | IPv6Address = ip_address(address)
    if any(ip in network for network in allowed):
        return True
    if isinstance(ip, IPv6Address):
        if ip in _TRANSLATED:
            ip = IPv4Address(int(ip) & 0xFFFF_FFFF)
        elif ip not in _UNICAST:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or any(ip in net for net in _NEVER))
