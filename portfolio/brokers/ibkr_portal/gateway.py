"""HTTP access to the Client Portal gateway: address, certificate, limits and calls."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from auth_tokens.broker_tokens.manager import held_token, renew_token
from config.core.errors import PermanentError
from config.core.http.breaker import CircuitBreaker
from config.core.http.budget import CallBudget
from config.core.http.caller import HttpCaller
from portfolio.brokers.ibkr_portal.account import PROVIDER
from portfolio.brokers.ibkr_portal.session import BROKERAGE, PORTFOLIO, GatewayMemory, PortalSession

# Endpoints the vendor allows one call per five seconds each.
SLOW_ENDPOINTS = (
    "/portfolio/accounts",
    "/iserver/account/orders",
    "/iserver/account/trades",
)
# Calls required before each family's answers are valid.
PREPARING_CALLS: Mapping[str, str] = {
    PORTFOLIO: "/portfolio/accounts",
    BROKERAGE: "/iserver/accounts",
}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class PortalGateway:
    """Opens the session, makes the calls a family requires, then asks.

    Thread-safe. ``caller`` renews through ``session.reopen``.
    """

    def __init__(self, base_url: str, caller: HttpCaller, session: PortalSession) -> None:
        self.base_url = base_url
        self.session = session
        self._caller = caller
        self._preparing = threading.Lock()
        self._prepared_at: dict[str, float] = {}

    @property
    def memory(self) -> GatewayMemory:
        """What was done in the gateway's current session."""
        return self.session.memory

    def get(
        self, path: str, *, needs: tuple[str, ...] = (), params: Mapping[str, Any] | None = None
    ) -> Any:
        """GET a path and return the answer."""
        return self._request("GET", path, needs, {"params": params})

    def post(self, path: str, *, needs: tuple[str, ...] = ()) -> Any:
        """POST a repeatable request: none of ours changes anything."""
        return self._request("POST", path, needs, {"json": {}, "retry": True})

    def prepare(self, families: tuple[str, ...], *, forgotten_since: float | None = None) -> None:
        """Open the session and make the calls the families require.

        ``forgotten_since`` (monotonic): the gateway reports they are missing; preparation done
        after that moment by another thread still counts.
        """
        self.session.ensure()
        for family in families:
            if forgotten_since is None and self.memory.knows(family):
                continue
            with self._preparing:
                prepared_at = self._prepared_at.get(family, 0.0)
                if self.memory.knows(family) and prepared_at > (forgotten_since or 0.0):
                    continue
                self._caller.request_json("GET", PREPARING_CALLS[family])
                self.memory.note(family)
                self._prepared_at[family] = time.monotonic()

    def _request(
        self, method: str, path: str, needs: tuple[str, ...], arguments: Mapping[str, Any]
    ) -> Any:
        """Ask; if the gateway forgot its preparing calls, repeat them once."""
        self.prepare(needs)
        asked_at = time.monotonic()
        try:
            return self._caller.request_json(method, path, **arguments)
        except PermanentError as error:
            if not needs or "accounts first" not in error.message.lower():
                raise
        self.prepare(needs, forgotten_since=asked_at)
        return self._caller.request_json(method, path, **arguments)

    def close(self) -> None:
        self._caller.close()
        self.session.close()


def open_gateway(*, aside: str = "") -> PortalGateway:
    """Open the gateway in the settings: ``IBKR_PORTAL_URL`` and what goes with it.

    ``aside`` names calls that no sync may wait or fail for: their failures count in a breaker of
    their own, and they take at most half of the calls that the vendor allows.
    """
    base_url = settings.IBKR_PORTAL_URL.rstrip("/")
    session = open_session(opening=reopen_for_all, aside=aside)
    return PortalGateway(base_url, _caller(base_url, renew=session.reopen, aside=aside), session)


def open_session(*, opening: Callable[[], object] | None = None, aside: str = "") -> PortalSession:
    """Return the session at the gateway in the settings; it opens itself unless told how."""
    base_url = settings.IBKR_PORTAL_URL.rstrip("/")
    caller = _caller(base_url, renew=None, aside=aside)
    return PortalSession(GatewayMemory(base_url), caller, opening=opening)


def reopen_for_all() -> None:
    """Reopen the gateway's session once for all processes that find it lost.

    The token manager only stores a mark of which opening is current. Raises as
    ``PortalSession.open``.
    """
    renew_token(PROVIDER, refused=held_token(PROVIDER))


def _caller(base_url: str, *, renew: Callable[[], None] | None, aside: str) -> HttpCaller:
    timeout = settings.PROVIDER_TIMEOUT_SECONDS
    budgets = call_budgets()
    breaker = None
    if aside:
        breaker = CircuitBreaker(
            f"{PROVIDER}.{aside}@{urlsplit(base_url).netloc}", probe_seconds=2 * timeout
        )
    return HttpCaller(
        PROVIDER,
        base_url,
        timeout=timeout,
        verify=certificate_check(base_url, settings.IBKR_PORTAL_CA_FILE),
        budgets=with_share_of(aside, budgets) if aside else budgets,
        renew=renew,
        penalty_seconds=settings.IBKR_PORTAL_PENALTY_SECONDS,
        breaker=breaker,
    )


def call_budgets() -> dict[str, CallBudget]:
    """Return the settings' limits as budgets shared by all processes; 0 omits a limit.

    Endpoint budgets come last: a call leaves as soon as its turn comes, so two calls are never
    closer than their turns.
    """
    budgets: dict[str, CallBudget] = {}
    if (calls_per_second := settings.IBKR_PORTAL_CALLS_PER_SECOND) > 0:
        budgets[""] = CallBudget(PROVIDER, limit=calls_per_second, seconds=1.0)
        # One per second is allowed; worker and streams process may both find it due.
        budgets["/tickle"] = CallBudget(f"{PROVIDER}/tickle", limit=1, seconds=1.2)
    if (endpoint_seconds := settings.IBKR_PORTAL_ENDPOINT_SECONDS) > 0:
        for path in SLOW_ENDPOINTS:
            budgets[path] = CallBudget(f"{PROVIDER}{path}", limit=1, seconds=endpoint_seconds)
    return budgets


def with_share_of(aside: str, budgets: Mapping[str, CallBudget]) -> dict[str, list[CallBudget]]:
    """Return the budgets of calls that leave half of all calls to others."""
    shared = {path: [budget] for path, budget in budgets.items()}
    if everyones := budgets.get(""):
        half, seconds = max(1, everyones.limit // 2), everyones.seconds
        # Its own first: who waits for it must hold no call that others could use.
        shared[""].insert(0, CallBudget(f"{PROVIDER}.{aside}", limit=half, seconds=seconds))
    return shared


def certificate_check(base_url: str, ca_file: str) -> bool | ssl.SSLContext:
    """Return how to check the gateway's self-signed certificate.

    With ``ca_file`` if set; unchecked only on loopback, where nobody can intercept; otherwise by
    the system's authorities.
    """
    on_loopback = urlsplit(base_url).hostname in _LOOPBACK
    if ca_file:
        if not Path(ca_file).is_file():
            raise ImproperlyConfigured(f"IBKR_PORTAL_CA_FILE: there is no file {ca_file}")
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except ssl.SSLError as error:
            raise ImproperlyConfigured(f"IBKR_PORTAL_CA_FILE: {ca_file}: {error}") from None
        # The certificate seldom names the local address used to reach it.
        context.check_hostname = not on_loopback
        return context
    if on_loopback:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return True
