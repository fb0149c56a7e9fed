"""Warn about a proxy in front of the desk that the settings do not name.

Its forwarding headers are ignored: the desk sees plain HTTP, and the proxy's address for everyone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import ip_address

import structlog
from django.http import HttpRequest, HttpResponseBase

from config.core.health import CheckResult, register_check
from config.core.redis.process_copies import ProcessCopies
from config.core.web.middleware import client_address

logger = structlog.get_logger(__name__)

_SAY_SECONDS = 60.0
_SHOWN_SECONDS = 600.0
_seen: ProcessCopies[dict[str, float]] = ProcessCopies(dict)


class ForwardedMiddleware:
    """Log proxies whose forwarding headers are ignored, each at most once a minute."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if proxy := untrusted_proxy(request):
            _note(proxy)
        return self.get_response(request)


def untrusted_proxy(request: HttpRequest) -> str:
    """Return the address of an untrusted proxy in our own network; else empty.

    Anybody may send such headers. A peer on a private address is most likely our own proxy. The
    server has already put the client's address in place of a trusted proxy's.
    """
    peer = client_address(request)
    chain = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if not chain or peer in (part.strip() for part in chain.split(",")):
        return ""
    try:
        return peer if ip_address(peer).is_private else ""
    except ValueError:
        return ""


def _note(proxy: str) -> None:
    moment = time.monotonic()
    with _seen.lock:
        seen = _seen.get("proxies")
        is_new = moment - seen.get(proxy, -_SAY_SECONDS) >= _SAY_SECONDS
        if is_new:
            seen.clear()
            seen[proxy] = moment
    if is_new:
        logger.error(
            "proxy.not_trusted",
            proxy=proxy,
            advice=f"If it is yours, set TRUSTED_PROXIES={proxy}: until then log-ins are counted "
            "by its address, and TLS is not recognised.",
        )


@register_check("proxy")
def _proxy() -> CheckResult:
    moment = time.monotonic()
    with _seen.lock:
        recent = [name for name, at in _seen.get("proxies").items() if moment - at < _SHOWN_SECONDS]
    if not recent:
        return CheckResult("ok")
    return CheckResult(
        "degraded",
        detail=f"Forwarding headers of {recent[0]} are not believed: name it in TRUSTED_PROXIES "
        "if it is your proxy.",
    )
