"""Minutes of held contracts: their Greeks, and bars of their prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
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


@dataclass(slots=True)
class BarPart:
    """Prices of one minute, or of a part of it. Grows in place: a stream's ticks are many."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    samples: int
    source: str
    as_of: datetime

    @classmethod
    def of(cls, quote: Quote, price: Decimal) -> BarPart:
        return cls(price, price, price, price, 1, quote.source[:24], quote.as_of)

    def add(self, quote: Quote, price: Decimal) -> None:
        """Take the minute's next price."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close, self.source, self.as_of = price, quote.source[:24], quote.as_of
        self.samples += 1

    def followed_by(self, later: BarPart) -> BarPart:
        """Return both parts as one."""
        return BarPart(
            self.open,
            max(self.high, later.high),
            min(self.low, later.low),
            later.close,
            self.samples + later.samples,
            later.source,
            later.as_of,
        )


def fold_price_bars(parts: Mapping[tuple[int, datetime], BarPart]) -> None:
    """Fold parts by instrument id and minute into the stored bars. One query.

    Folding the same part twice changes only the sample count.
    """
    upsert(
        PriceBar,
        ("instrument_id", "minute", "open", "high", "low", "close", "samples", "source", "as_of"),
        [
            (pk, minute, bar.open, bar.high, bar.low, bar.close, bar.samples, bar.source, bar.as_of)
            for (pk, minute), bar in sorted(parts.items(), key=lambda each: each[0])
        ],
        unique=("instrument_id", "minute"),
        keep=("open",),
        highest=("high",),
        lowest=("low",),
        added=("samples",),
    )
