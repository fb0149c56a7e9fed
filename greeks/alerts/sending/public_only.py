"""Let a sender connect to the public internet only.

What is judged is the address that a connection is opened to, at that moment: the name was resolved
once, by whoever connects, so it cannot lead elsewhere between a check and its use. Redirects,
mail servers and whatever else a library resolves are covered, too.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

# Beyond what ``is_global`` knows: relays of 6to4 (RFC 7526).
_REFUSED_4 = (IPv4Network("192.88.99.0/24"),)
# Global unicast addresses are in one block (RFC 4291). Outside it are loopback, mapped, compatible
# and translated (NAT64, RFC 6052) forms of IPv4 addresses. In it, but refused: protocols such as
# Teredo (RFC 4380), documentation, and 6to4 (RFC 3056), which holds an IPv4 address.
_GLOBAL_6 = IPv6Network("2000::/3")
_REFUSED_6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_INTERNET = (socket.AF_INET, socket.AF_INET6)


class NotPublic(PermissionError):
    """A connection into the own network was refused."""


class _Guard(threading.local):
    is_on = False
    was_refused = False
    proxies: frozenset[tuple[str, int]] = frozenset()


_guard = _Guard()


def is_public(text: str) -> bool:
    """Return whether the address is an ordinary one of the public internet. Raises
    ``ValueError``."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if isinstance(address, IPv4Address):
        refused = any(address in network for network in _REFUSED_4)
        return address.is_global and not address.is_multicast and not refused
    return address in _GLOBAL_6 and not any(address in network for network in _REFUSED_6)


def is_private_name(host: str) -> bool:
    """Judge by the name alone, without resolving it. Short and numeric forms of IPv4 count, as do
    other scripts' letters, digits and dots that a resolver takes for ours."""
    with suppress(UnicodeError):
        host = host.encode("idna").decode() or host
    try:
        return not is_public(host)
    except ValueError:
        pass
    with suppress(OSError):
        return not is_public(socket.inet_ntoa(socket.inet_aton(host)))
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith((".localhost", ".local"))


@contextmanager
def public_only() -> Iterator[None]:
    """Refuse this thread's connections into the own network, except to the process's proxies.

    Raises ``NotPublic`` at the end if one was refused, whatever the sender made of it.
    """
    _install()
    _guard.proxies = _proxies()
    _guard.is_on, _guard.was_refused = True, False
    try:
        yield
    finally:
        _guard.is_on = False
    if _guard.was_refused:
        raise NotPublic


def _proxies() -> frozenset[tuple[str, int]]:
    """Return the addresses of the proxies that the environment names: they guard what leaves."""
    found: set[tuple[str, int]] = set()
    for address in getproxies().values():
        with suppress(OSError, ValueError):
            parts = urlsplit(address)
            port = parts.port or 80
            resolved = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
            found |= {(str(answer[4][0]), port) for answer in resolved}
    return frozenset(found)


@cache
def _install() -> None:
    # CPython raises the event before it connects, and an error of the hook prevents it.
    sys.addaudithook(_judge)


def _judge(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" or not _guard.is_on:
        return
    connection, address = arguments
    if connection.family not in _INTERNET or (str(address[0]), address[1]) in _guard.proxies:
        return
    try:
        public = is_public(str(address[0]))
    except ValueError:
        # A name: it would be resolved in the call, where nobody could judge it.
        public = False
    if not public:
        _guard.was_refused = True
        raise NotPublic("a connection into the own network")
