"""Who is kept from guessing passwords, and for how long.

A name is locked for the network that failed, not for everybody: or anybody could lock anybody out.
The wait doubles with each further failure. A browser that has logged in under the name before
counts for itself, so it can log in while strangers on its network, or behind a proxy that the desk
was not told of, are locked.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Max
from django.http import HttpRequest, HttpResponse

from config.core.clock import now
from config.core.web.middleware import client_address

FIRST_WAIT = timedelta(minutes=15)
LONGEST_WAIT = timedelta(hours=4)
#: Names that one network may have failed for in an hour.
MOST_NAMES = 100
LONGEST_NAME = 150
_DEVICE_SALT = "auth_tokens.device"
_DEVICE_DAYS = 180


def cool_off(request: HttpRequest | None) -> timedelta:
    """Return how long the name waits after its last failure from there. For Axes."""
    if request is None:
        return LONGEST_WAIT
    tries = AccessAttempt.objects.filter(
        username=offered_name(request), ip_address=network_of(request)
    )
    failures = tries.aggregate(most=Max("failures_since_start"))["most"] or 0
    doublings = min(max(0, failures - settings.AXES_FAILURE_LIMIT), 10)
    wait: timedelta = FIRST_WAIT * 2**doublings
    return min(LONGEST_WAIT, wait)


def has_failed_for_many(request: HttpRequest) -> bool:
    """Return whether the request's network is trying names."""
    tries = AccessAttempt.objects.filter(
        ip_address=network_of(request), attempt_time__gt=now() - timedelta(hours=1)
    )
    names = int(tries.values("username").distinct().count())
    return names >= MOST_NAMES


def network_of(request: HttpRequest) -> str:
    """Return whom failures count against, as an address: for Axes, which keeps addresses.

    An IPv6 customer has 2⁶⁴ addresses or more, so the network counts. A known device is a unique
    local address (RFC 4193) of its own.
    """
    if device := _device_of(request):
        digest = hashlib.blake2b(device.encode(), digest_size=15).digest()
        return str(IPv6Address(b"\xfd" + digest))
    text = client_address(request)
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return "::"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, 64), strict=False).network_address)
    return str(address)


def remember_device(response: HttpResponse, username: str) -> None:
    """Give the browser that logged in a cookie that says so."""
    response.set_signed_cookie(
        settings.DEVICE_COOKIE_NAME,
        f"{secrets.token_urlsafe(16)}:{username}",
        salt=_DEVICE_SALT,
        max_age=_DEVICE_DAYS * 86_400,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def offered_name(request: HttpRequest) -> str:
    return str(request.POST.get("username", ""))[:LONGEST_NAME]


def _device_of(request: HttpRequest) -> str:
    """Return the known device's id if it has logged in under the offered name; else empty."""
    known = request.get_signed_cookie(
        settings.DEVICE_COOKIE_NAME, "", salt=_DEVICE_SALT, max_age=_DEVICE_DAYS * 86_400
    )
    device, _, username = (known or "").partition(":")
    return device if username and username == offered_name(request) else ""
