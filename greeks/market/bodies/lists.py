"""The market's small bodies: a chain, and what is polled. Keeps the last good ones."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import time as time_of_day

import msgspec
from cachetools import LRUCache

from config.core.clock import market_now
from config.core.database import database_guard
from config.core.errors import DatabaseUnavailable, NotFound, Unavailable
from config.core.front_door.bodies import Body
from greeks.market.bodies.cache import RUNNING, SETTLED, STALE, Served
from greeks.market.bodies.questions import MarketQuestion, choice_for
from greeks.market.chain import chain_json, is_current
from greeks.market.pickers import instruments_body

# Everyone who opens the page reads the list; its dates and ages change by the minute.
_LIST_SECONDS = 5.0


@dataclass(slots=True)
class _Known:
    """A body with what it was built from, and when."""

    text: bytes
    body: Body
    read_at: float


_chains: LRUCache[tuple[MarketQuestion, time_of_day | None], _Known] = LRUCache(16)
_lists: dict[str, _Known] = {}
_lock = threading.Lock()


def serve_market_chain(*, question: MarketQuestion, at: time_of_day | None = None) -> Served:
    """Return the latest chain of the requested expiry, or of the nearest; of a past day, or with
    ``at`` (exchange time), the one that was kept.

    Raises ``NotFound`` if there is none, and ``Unavailable`` without Redis or the database, unless
    this process has the last good one.
    """
    try:
        with database_guard():
            choice = choice_for(question, market_now())
            stored = chain_json(choice, at)
    except Unavailable:
        with _lock:
            known = _chains.get((question, at))
        if known is None:
            raise
        return Served(known.body, STALE, is_stale=True)
    if stored is None:
        of = f"No chain of {choice.instrument.name}, {choice.chain.expiry.isoformat()},"
        if is_current(choice):
            raise NotFound(f"{of} was polled of late.")
        raise NotFound(f"{of} was kept on {choice.chain.session_date.isoformat()}.")
    with _lock:
        known = _chains.get((question, at))
        # Unchanged text keeps the same body with its compressed forms.
        if known is None or known.text != stored:
            known = _chains[question, at] = _Known(stored, Body(stored), time.monotonic())
    is_fixed = choice.is_settled and not is_current(choice)
    return Served(known.body, SETTLED if is_fixed else RUNNING)


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
