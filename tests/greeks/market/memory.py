"""What a web process remembers of the market."""

from __future__ import annotations

from greeks.market.bodies import cache, lists
from greeks.minutes.stored import kept_rows


def forget_market_bodies() -> None:
    """Drop the bodies, so that Redis and the database are asked again."""
    cache.market_bodies.clear()
    kept_rows.clear()
    cache._stale_body.cache_clear()
    cache._patience.answered()
    cache._last_variants.clear()


def forget_market_lists() -> None:
    lists._chains.clear()
    lists._lists.clear()
