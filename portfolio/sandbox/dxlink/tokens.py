"""Tokens of the simulated streamer: issued by the REST server, checked by the websocket."""

from __future__ import annotations

import secrets
import threading
import time
from weakref import WeakKeyDictionary

from greeks.sandbox.market import Market

LIFETIME_SECONDS = 24 * 3600.0


class QuoteTokens:
    """Issued tokens and when they expire. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def grant(self, *, seconds: float = LIFETIME_SECONDS) -> str:
        token = secrets.token_urlsafe(32)
        moment = time.monotonic()
        with self._lock:
            self._until = {known: end for known, end in self._until.items() if end > moment}
            self._until[token] = moment + seconds
        return token

    def accepts(self, token: object) -> bool:
        with self._lock:
            return isinstance(token, str) and self._until.get(token, 0.0) > time.monotonic()

    def forget(self) -> None:
        """Refuse every token issued so far."""
        with self._lock:
            self._until.clear()


_of_markets: WeakKeyDictionary[Market, QuoteTokens] = WeakKeyDictionary()
_lock = threading.Lock()


def quote_tokens_of(market: Market) -> QuoteTokens:
    """Return the tokens of this market's sandbox; its two servers share them."""
    with _lock:
        return _of_markets.setdefault(market, QuoteTokens())
