"""Bring closes and regimes up to date, from Cboe's daily files or from a file at hand."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import structlog
from django.core.cache import cache
from django.db.models import Max

from config.core.clock import market_now
from config.core.errors import InvalidInput, ProviderError, Unavailable
from greeks.domain import DailyClose
from greeks.providers.cboe.daily_prices import CboeDailyPrices, open_daily_prices, read_daily_prices
from trades.models import IndexClose, TradeExecution
from trades.regimes.rule import INDICES
from trades.regimes.store import compute_regimes, store_index_closes
from trades.regimes.volatility_indices import volatility_index_of

logger = structlog.get_logger(__name__)

#: Published closes are corrected within days.
_OVERLAP: Final = timedelta(days=10)
_ASKED: Final = "trades.regimes.asked"
_ASKED_SECONDS: Final = 6 * 3600
_NEEDED: Final = ("VIX", "VIX9D", "VIX3M", "SPX")
_FILE_NAMES: Final = (
    (re.compile(r"^([A-Z0-9]{1,12})_History", re.IGNORECASE), None),
    (re.compile(r"india.?vix", re.IGNORECASE), "INDIAVIX"),
)


@dataclass(slots=True, kw_only=True)
class RegimesSynced:
    """What a run brought: closes by index, regime days by index, and which files were not read."""

    closes: dict[str, int] = field(default_factory=dict)
    days: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def sync_regimes_if_due() -> RegimesSynced | None:
    """Fetch what is missing, unless yesterday's closes are here or were asked for recently."""
    last = _last_days().get("VIX")
    if last is not None and last >= market_now().date() - timedelta(days=1):
        return None
    if not cache.add(_ASKED, True, _ASKED_SECONDS):
        return None
    return sync_regimes()


def sync_regimes(*, since: date | None = None) -> RegimesSynced:
    """Fetch the indices' files, store closes from ``since`` on, and compute the days.

    By default from ten days before the last stored close, or all. An index without a file or a
    failed download leaves the others alone.

    Raises:
        Unavailable: no provider is set up (``CBOE_URL``).
    """
    provider = open_daily_prices()
    if provider is None:
        raise Unavailable("Cboe is not set up (CBOE_URL): import a file instead.")
    done = RegimesSynced()
    last = _last_days()
    try:
        for symbol in _wanted_symbols():
            start = since or (last[symbol] - _OVERLAP if symbol in last else None)
            _fetch(provider, symbol, start, done)
    finally:
        provider.close()
    known = last.get("VIX")
    done.days = compute_regimes(since=since or (known - _OVERLAP if known else None))
    logger.info("regimes_synced", closes=done.closes, days=done.days, failed=done.failed)
    return done


def import_index_file(
    text: str, *, name: str, symbol: str = "", since: date | None = None
) -> RegimesSynced:
    """Store an index's closes from a file of daily prices and compute all days again.

    Raises:
        InvalidInput: the file is none, or neither ``name`` nor ``symbol`` says which index.
    """
    symbol = symbol.strip().upper() or _symbol_of(name)
    fetched = read_daily_prices(text, symbol, source="file")
    kept = [item for item in fetched.items if since is None or item.session_date >= since]
    store_index_closes(kept, source="file")
    return RegimesSynced(
        closes={symbol: len(kept)},
        days=compute_regimes(since=since),
        rejected=len(fetched.rejected),
    )


def _symbol_of(name: str) -> str:
    for pattern, symbol in _FILE_NAMES:
        if found := pattern.search(name):
            return symbol or found.group(1).upper()
    raise InvalidInput(
        f"{name[:64]!r} does not say which index it holds.", fields={"symbol": "name the index"}
    )


def _fetch(provider: CboeDailyPrices, symbol: str, start: date | None, done: RegimesSynced) -> None:
    try:
        fetched = provider.fetch_closes(symbol)
    except ProviderError as error:
        done.failed[symbol] = error.message
        return
    kept: list[DailyClose] = [
        item for item in fetched.items if start is None or item.session_date >= start
    ]
    store_index_closes(kept, source=provider.source)
    done.closes[symbol] = len(kept)
    done.rejected += len(fetched.rejected)


def _wanted_symbols() -> list[str]:
    """Return what regimes need, then the indices of the underlyings in the journal."""
    traded = TradeExecution.objects.order_by().values_list("instrument__underlying", flat=True)
    own = {volatility_index_of(name) for name in traded.distinct()}
    more = sorted(name for name in own if name and name not in (*_NEEDED, *INDICES))
    return [*_NEEDED, *more]


def _last_days() -> dict[str, date]:
    rows = IndexClose.objects.order_by().values_list("symbol").annotate(Max("session_date"))
    return dict(rows)
