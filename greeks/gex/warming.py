"""The symbols kept ready in the cache: critical ones while their exchange is open."""

from __future__ import annotations

from config.core.caching.resources import Question
from config.core.clock import market_now
from greeks.gex.reading import complete_question
from greeks.gex.snapshots import due_symbols, is_kept_ready


def questions_to_warm() -> list[Question]:
    """Return a question per symbol of ``CACHE_WARM_SYMBOLS``, or of all that are followed."""
    return [
        Question(None, complete_question(symbol))
        for symbol in due_symbols(market_now())
        if is_kept_ready(symbol)
    ]
