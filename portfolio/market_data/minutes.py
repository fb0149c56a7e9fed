"""Minutes of held contracts: their Greeks, and bars of their prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from config.core.upsert import upsert
from greeks.domain import Quote
from greeks.models import ContractGreekHistory
from portfolio.accounts.days import minute_of
from portfolio.models import PriceBar

_GREEKS = ("delta", "gamma", "theta", "vega", "implied_volatility")


GREEK_COLUMNS = (
    *_GREEKS,
    *(f"{name}_raw" for name in _GREEKS),
    "underlying_price",
    "source",
    "as_of",
    "inputs",
)


def record_greeks_minute(rows: Iterable[Sequence[Any]], *, at: datetime) -> None:
    """Store the minute's Greeks of held contracts: instrument id, then ``GREEK_COLUMNS``. One
    query."""
    minute = minute_of(at)
    upsert(
        ContractGreekHistory,
        ("minute", "instrument_id", *GREEK_COLUMNS),
        [(minute, *row) for row in rows],
        unique=("instrument_id", "minute"),
    )


def record_price_bars(quotes: Mapping[int, Quote], *, at: datetime) -> None:
    """Fold prices by instrument id into the minute's bars. One query.

    Folding the same sample twice changes only the sample count.
    """
    minute = minute_of(at)
    rows = []
    for instrument_id, quote in sorted(quotes.items()):
        price = quote.price
        if price is not None:
            rows.append(
                (instrument_id, minute, price, price, price, price, 1, quote.source, quote.as_of)
            )
    upsert(
        PriceBar,
        ("instrument_id", "minute", "open", "high", "low", "close", "samples", "source", "as_of"),
        rows,
        unique=("instrument_id", "minute"),
        keep=("open",),
        highest=("high",),
        lowest=("low",),
        added=("samples",),
    )
