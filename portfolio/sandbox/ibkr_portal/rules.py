"""The simulated Client Portal gateway's session and rate limits."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

Clock = Callable[[], float]

#: Paths that each answer once in ``LimitRules.endpoint_seconds``.
SLOW_PATHS = (
    "/iserver/account/orders",
    "/iserver/account/trades",
    "/iserver/account/pnl/partitioned",
    "/portfolio/accounts",
)


class LimitRules:
    """Ten requests a second in total, one per five seconds for some, one tickle a second.

    A caller that exceeds them gets 429 for everything, without Retry-After, for
    ``penalty_seconds``.
    """

    def __init__(self, *, enabled: bool, clock: Clock = time.monotonic) -> None:
        self.enabled = enabled
        self.calls_per_second = 10
        self.endpoint_seconds = 5.0
        self.penalty_seconds = 900.0
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: deque[float] = deque()
        self._endpoint_calls: dict[str, float] = {}
        self._refused_until = 0.0

    def admits(self, path: str) -> bool:
        if not self.enabled:
            return True
        now = self._clock()
        with self._lock:
            if now < self._refused_until:
                return False
            while self._calls and self._calls[0] <= now - 1.0:
                self._calls.popleft()
            self._calls.append(now)
            wait = self.endpoint_seconds if path in SLOW_PATHS else 0.0
            wait = 1.0 if path == "/tickle" else wait
            last = self._endpoint_calls.get(path)
            self._endpoint_calls[path] = now
            too_soon = bool(wait) and last is not None and now - last < wait
            if too_soon or len(self._calls) > self.calls_per_second:
                self._refused_until = now + self.penalty_seconds
                return False
        return True

    def forgive(self) -> None:
        """End the penalty and forget past requests."""
        with self._lock:
            self._calls.clear()
            self._endpoint_calls.clear()
            self._refused_until = 0.0


class SessionRules:
    """The brokerage session: whether it is open, and what was called in it.

    ``logged_in`` is the gateway's own log-in; without it ``ssodh/init`` opens nothing.
    ``competing`` means that another program took over the session. An idle session is lost after
    ``idle_seconds``.
    """

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self.logged_in = True
        self.competing = False
        self.idle_seconds = 300.0
        self._clock = clock
        self._lock = threading.Lock()
        self._authenticated = True
        self._last_call = clock()
        self._prepared: set[str] = set()
        self._market_data: set[str] = set()

    @property
    def authenticated(self) -> bool:
        return self._authenticated and not self.competing

    def expire(self) -> None:
        """Lose the session, as the nightly reset or five idle minutes do."""
        with self._lock:
            self._authenticated = False
            self._prepared.clear()
            self._market_data.clear()

    def log_out(self) -> None:
        """Lose the gateway's log-in too: only its owner can restore it, in a browser."""
        self.logged_in = False
        self.expire()

    def reopen(self) -> None:
        """Do what ``/iserver/auth/ssodh/init`` does."""
        with self._lock:
            if self.logged_in and not self.competing:
                self._authenticated = True
                self._last_call = self._clock()

    def touch(self) -> None:
        """Note a call; after too long a silence the session is gone."""
        now = self._clock()
        if now - self._last_call > self.idle_seconds:
            self.expire()
        self._last_call = now

    def prepare(self, what: str) -> None:
        with self._lock:
            self._prepared.add(what)

    def is_prepared(self, what: str) -> bool:
        return what in self._prepared

    def subscribe(self, conid: str, *, lines: int) -> bool:
        """Return whether the contract's data already streams; it does from the next request on.

        A log-in has only ``lines`` streams: further contracts never get data.
        """
        with self._lock:
            if conid in self._market_data:
                return True
            if len(self._market_data) < lines:
                self._market_data.add(conid)
            return False

    def unsubscribe_all(self) -> None:
        with self._lock:
            self._market_data.clear()

    def status(self) -> dict[str, Any]:
        """Return the body of ``/iserver/auth/status``."""
        return {
            "authenticated": self.authenticated,
            "established": self.authenticated,
            "competing": self.competing,
            "connected": True,
            "message": "",
            "MAC": "02:00:00:00:00:01",
            "serverInfo": {
                "serverName": "Sandbox",
                "serverVersion": "Build 10.44.1d, Mar 3, 2026 1:55:32 PM",
            },
            "hardware_info": "sandbox|02:00:00:00:00:01",
            "fail": "",
        }
