"""A provider of chains that are a function of time, and rows to poll it with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from greeks.chains import ListedExpiry, Listing, OptionChain
from greeks.maths import black_scholes
from greeks.models import PolledInstrument

KEY = "NSE_INDEX|Nifty 50"
EXPIRY = date(2026, 12, 1)
LATER = date(2026, 12, 8)
#: A Friday: NSE trades from 03:45 to 10:00 UTC.
OPENS = datetime(2026, 11, 27, 3, 45, tzinfo=UTC)
CLOSES = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
EXPIRES = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
RATE = 0.065


def chain_at(
    at: datetime,
    *,
    expiry: date = EXPIRY,
    strikes: int = 40,
    without_greeks: int = 0,
    key: str = KEY,
    **columns: Any,
) -> OptionChain:
    """Return a chain whose spot and volatility move with the second.

    The outermost lose their Greeks.
    """
    seconds = at.timestamp() % 86_400
    spot = 26_000.0 + 40.0 * np.sin(seconds / 97.0)
    strike = np.repeat(26_000.0 + 50.0 * (np.arange(strikes) - strikes // 2), 2)
    is_call = np.arange(strike.size) % 2 == 0
    volatility = 0.12 + 0.01 * np.sin(seconds / 41.0) + 1e-9 * (strike - spot) ** 2
    years = (EXPIRES - at).total_seconds() / (365 * 86_400)
    values = black_scholes.all_greeks(spot, strike, years, RATE, 0.0, volatility, is_call)
    bid = np.maximum(np.floor(values.price / 0.05) * 0.05, 0.0)
    outermost = np.argsort(-np.abs(strike - spot), kind="stable")[:without_greeks]
    known = np.ones(strike.size, dtype=bool)
    known[outermost] = False

    def computed(numbers: Any) -> Any:
        return np.where(known, numbers, np.nan)

    count = np.arange(strike.size)
    given = {
        "bid": bid,
        "ask": bid + 0.1,
        "last": bid,
        "previous_close": bid,
        "volume": 75.0 * count,
        "open_interest": 75.0 * (10 + count % 7),
        "previous_open_interest": 75.0 * (9 + count % 7),
        "implied_volatility": computed(volatility),
        "delta": computed(values.delta),
        "gamma": computed(values.gamma),
        "theta": computed(values.theta),
        "vega": computed(values.vega),
        "strike": strike,
        "is_call": is_call,
        "spot": float(spot),
    }
    return OptionChain(
        source="scripted",
        instrument_key=key,
        expiry=expiry,
        as_of=at,
        keys=tuple(f"NSE_FO|{number}" for number in count.tolist()),
        **given | columns,
    )


@dataclass(slots=True)
class ScriptedProvider:
    """Answers with ``chain_at`` the clock, or raises what ``error`` holds."""

    clock: Callable[[], datetime]
    error: Exception | None = None
    expiries: tuple[date, ...] = (EXPIRY, LATER)
    options: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, date]] = field(default_factory=list)
    source: str = "scripted"

    def fetch_listing(self, instrument_key: str) -> Listing:
        if self.error is not None:
            raise self.error
        return Listing(
            source=self.source,
            instrument_key=instrument_key,
            expiries=tuple(
                ListedExpiry(expiry=each, lot_size=75, is_weekly=True) for each in self.expiries
            ),
            as_of=self.clock(),
        )

    def fetch_chain(self, instrument_key: str, expiry: date) -> OptionChain:
        self.asked.append((instrument_key, expiry))
        if self.error is not None:
            raise self.error
        return chain_at(self.clock(), expiry=expiry, key=instrument_key, **self.options)

    def close(self) -> None:
        return None


def polled_instrument(**columns: Any) -> PolledInstrument:
    """Return a row for Nifty 50, with both expiries listed."""
    listed = [
        {"expiry": each.isoformat(), "lot_size": 75, "is_weekly": True} for each in (EXPIRY, LATER)
    ]
    defaults = {
        "slug": "nifty-50",
        "name": "Nifty 50",
        "instrument_key": KEY,
        "provider": "scripted",
        "underlying": "NIFTY",
        "rate": RATE,
        "listed_expiries": listed,
        "listed_as_of": OPENS,
    }
    return PolledInstrument.objects.create(**defaults | columns)
