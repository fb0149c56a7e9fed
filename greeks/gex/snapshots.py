"""Which snapshots are due, and taking one."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from config.core.clock import market_now
from greeks.calendar.sessions import current_session
from greeks.gex.chains.subjects import Subject, gex_subjects
from greeks.gex.reading import refresh_gex
from greeks.gex.store import slot_of, store_snapshot
from greeks.polling.sessions import open_session


def due_symbols(at: datetime) -> list[str]:
    """Return the symbols whose exchange is open."""
    return [each.symbol for each in gex_subjects() if _is_open(each, at)]


def take_snapshot(*, symbol: str) -> bool:
    """Compute a symbol's gamma exposure and store it; returns whether a snapshot was stored.

    A stale answer is not stored: nothing new is known. Raises like ``refresh_gex``.
    """
    slot = slot_of(market_now())
    body = refresh_gex(symbol)
    return not body.stale and store_snapshot(body=body, slot=slot)


def _is_open(subject: Subject, at: datetime) -> bool:
    if subject.instrument is not None:
        return open_session(subject.instrument, at) is not None
    if settings.MARKET_ALWAYS_OPEN and subject.simulated:
        return True
    return current_session(subject.terms.exchange.name, at) is not None
