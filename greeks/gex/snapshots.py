"""Find due snapshots and take them: from the warmer's answers, else newly computed."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from config.core.caching.warmer import warmer_runs
from config.core.clock import market_now
from greeks.calendar.sessions import current_session
from greeks.gex.chains.subjects import Subject, gex_subjects
from greeks.gex.reading import refresh_gex
from greeks.gex.shapes import GexData
from greeks.gex.store import slot_of, store_snapshot
from greeks.polling.sessions import open_session


def due_symbols(at: datetime) -> list[str]:
    """Return the symbols whose exchange is open."""
    return [each.symbol for each in gex_subjects() if _is_open(each, at)]


def symbols_to_take(at: datetime) -> list[str]:
    """Return the due symbols the warmer does not cover: one fetch serves both."""
    due = due_symbols(at)
    return [symbol for symbol in due if not is_kept_ready(symbol)] if warmer_runs() else due


def is_kept_ready(symbol: str) -> bool:
    """Return whether the warmer covers it: ``CACHE_WARM_SYMBOLS``, all due ones if empty."""
    critical = {each.strip().upper() for each in settings.CACHE_WARM_SYMBOLS}
    return not critical or symbol in critical


def keep_snapshot(body: GexData) -> bool:
    """Store a new answer in the current slot; return whether it was stored."""
    return store_snapshot(body=body, slot=slot_of(market_now()))


def take_snapshot(*, symbol: str) -> bool:
    """Compute a symbol's gamma exposure and store it; returns whether a snapshot was stored.

    A stale answer is not stored: nothing new is known. Raises like ``refresh_gex``.
    """
    body = refresh_gex(symbol)
    return not body.stale and keep_snapshot(body)


def _is_open(subject: Subject, at: datetime) -> bool:
    if subject.instrument is not None:
        return open_session(subject.instrument, at) is not None
    if settings.MARKET_ALWAYS_OPEN and subject.simulated:
        return True
    return current_session(subject.terms.exchange.name, at) is not None
