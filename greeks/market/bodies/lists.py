"""The market's small bodies: the latest chain, and what is polled. Keeps the last good ones."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import msgspec
from cachetools import LRUCache

from config.core.clock import market_now
from config.core.database import database_guard
from config.core.errors import DatabaseUnavailable, NotFound, Unavailable
from config.core.front_door.bodies import Body
from greeks.market.bodies.cache import RUNNING, STALE, Served
from greeks.market.bodies.questions import MarketQuestion, choice_for
from greeks.market.chain import latest_chain_json
from greeks.market.pickers import instruments_body

# Everyone who opens the page reads the list; its dates and ages change by the minute.
_LIST_SECONDS = 5.0


@dataclass(slots=True)
class _Known:
    """A body with what it was built from, and when."""

    text: bytes
    body: Body
    read_at: float


_chains: LRUCache[MarketQuestion, _Known] = LRUCache(16)
_lists: dict[str, _Known] = {}
_lock = threading.Lock()


def serve_market_chain(*, question: MarketQuestion) -> Served:
    """Return the latest chain of the requested expiry, or of the nearest.

    Raises ``NotFound`` if nothing was polled yet, and ``Unavailable`` without Redis or the
    database, unless this process has the last good one.
    """
    try:
        with database_guard():
            choice = choice_for(question, market_now())
        text = latest_chain_json(slug=choice.instrument.slug, expiry=choice.chain.expiry)
    except Unavailable:
        with _lock:
            known = _chains.get(question)
        if known is None:
            raise
        return Served(known.body, STALE, is_stale=True)
    if text is None:
        expiry = choice.chain.expiry.isoformat()
        raise NotFound(f"No chain of {choice.instrument.name}, {expiry}, was polled of late.")
    with _lock:
        known = _chains.get(question)
        stored = text.encode()
        # Unchanged text keeps the same body with its compressed forms.
        if known is None or known.text != stored:
            known = _chains[question] = _Known(stored, Body(stored), time.monotonic())
    return Served(known.body, RUNNING)


def serve_market_instruments() -> Served:
    """Return what is polled, read at most every five seconds."""
    with _lock:
        known = _lists.get("instruments")
    if known is not None and time.monotonic() - known.read_at < _LIST_SECONDS:
        return Served(known.body, RUNNING)
    try:
        with database_guard():
            text = msgspec.json.encode(instruments_body(market_now()))
    except DatabaseUnavailable:
        if known is None:
            raise
        return Served(known.body, STALE, is_stale=True)
    body = known.body if known is not None and known.text == text else Body(text)
    with _lock:
        _lists["instruments"] = _Known(text, body, time.monotonic())
    return Served(body, RUNNING)
