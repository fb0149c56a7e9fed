"""When the simulated exchanges trade: New York 09:30–16:00, Kolkata 09:15–15:30.

Holidays and New York's half days come from the ``holidays`` package. The product's own calendar
(``exchange_sessions``) is edited by hand; this one only moves the simulated prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
import numpy as np
from numpy.typing import ArrayLike, NDArray

from greeks.chains import Floats

FIRST_YEAR, LAST_YEAR = 2015, 2040


@dataclass(frozen=True, slots=True)
class Exchange:
    """Hours of a regular day in the exchange's own zone."""

    name: str
    calendar: str
    zone: ZoneInfo
    opens: time
    closes: time
    closes_early: time | None = None


EXCHANGES = {
    "NYSE": Exchange(
        "NYSE", "NYSE", ZoneInfo("America/New_York"), time(9, 30), time(16, 0), time(13, 0)
    ),
    "NSE": Exchange("NSE", "NSE", ZoneInfo("Asia/Kolkata"), time(9, 15), time(15, 30)),
}


@dataclass(frozen=True, slots=True)
class Session:
    """The open session, or the last one; times are Unix seconds."""

    opened_at: float
    closes_at: float
    previous_close_at: float


@lru_cache(maxsize=4)
def closed_days(exchange: str) -> frozenset[date]:
    """Return holidays of the exchange (weekends not included)."""
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    return frozenset(holidays.financial_holidays(EXCHANGES[exchange].calendar, years=years))


def is_trading_day(exchange: str, day: date) -> bool:
    return day.weekday() < 5 and day not in closed_days(exchange)


@lru_cache(maxsize=4)
def half_days(exchange: str) -> frozenset[date]:
    if EXCHANGES[exchange].closes_early is None:
        return frozenset()
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    calendar = EXCHANGES[exchange].calendar
    return frozenset(holidays.financial_holidays(calendar, years=years, categories=("half_day",)))


def instant(exchange: str, day: date, at: time) -> float:
    """Return Unix seconds of a local time of day at the exchange."""
    return datetime.combine(day, at, tzinfo=EXCHANGES[exchange].zone).timestamp()


def local_date(exchange: str, seconds: float) -> date:
    return datetime.fromtimestamp(seconds, EXCHANGES[exchange].zone).date()


def utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class TradingHours:
    """Real hours: prices move in session and stand still between sessions."""

    def __init__(self, exchange: str) -> None:
        hours = EXCHANGES[exchange]
        early = half_days(exchange)
        opens, closes = [], []
        day = date(FIRST_YEAR, 1, 2)
        while day.year <= LAST_YEAR:
            if is_trading_day(exchange, day):
                closing = hours.closes_early if day in early else None
                opens.append(instant(exchange, day, hours.opens))
                closes.append(instant(exchange, day, closing or hours.closes))
            day += timedelta(days=1)
        self._opens = np.array(opens)
        self._closes = np.array(closes)

    def _index(self, seconds: ArrayLike) -> NDArray[np.int64]:
        found = np.searchsorted(self._opens, np.asarray(seconds, dtype=np.float64), side="right")
        return np.clip(found - 1, 1, self._opens.size - 1)

    def is_open(self, seconds: float) -> bool:
        index = self._index(seconds)
        return bool(self._opens[index] <= seconds < self._closes[index])

    def last_traded(self, seconds: ArrayLike) -> Floats:
        """Return the given times, moved back to the last close if the exchange is closed."""
        last: Floats = np.minimum(seconds, self._closes[self._index(seconds)])
        return last

    def session(self, seconds: float) -> Session:
        index = int(self._index(seconds))
        return Session(
            opened_at=float(self._opens[index]),
            closes_at=float(self._closes[index]),
            previous_close_at=float(self._closes[index - 1]),
        )


class RoundTheClock:
    """Always open. A "day" runs from one regular opening time to the next, weekends included."""

    def __init__(self, exchange: str) -> None:
        self._exchange = EXCHANGES[exchange]

    def is_open(self, seconds: float) -> bool:
        return True

    def last_traded(self, seconds: ArrayLike) -> Floats:
        return np.asarray(seconds, dtype=np.float64)

    def session(self, seconds: float) -> Session:
        exchange = self._exchange
        day = local_date(exchange.name, seconds)
        if instant(exchange.name, day, exchange.opens) > seconds:
            day -= timedelta(days=1)
        return Session(
            opened_at=instant(exchange.name, day, exchange.opens),
            closes_at=instant(exchange.name, day + timedelta(days=1), exchange.opens),
            previous_close_at=instant(exchange.name, day - timedelta(days=1), exchange.closes),
        )


@lru_cache(maxsize=8)
def sessions_of(exchange: str, always_open: bool) -> TradingHours | RoundTheClock:
    return RoundTheClock(exchange) if always_open else TradingHours(exchange)
