"""Which expiries and strikes exist: functions of the calendar, so none ever vanishes."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from greeks.sandbox.sessions import EXCHANGES, half_days, instant, is_trading_day
from greeks.sandbox.underlyings import INDEX_BY_SYMBOL, UNDERLYINGS, Underlying

_FRIDAY, _WEDNESDAY, _TUESDAY = 4, 2, 1


def _month_start(day: date, months: int) -> date:
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def third_friday(month: date) -> date:
    first = month.replace(day=1)
    return first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)


def _last_tuesday(month: date) -> date:
    last = _month_start(month, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - _TUESDAY) % 7)


def _trading_day(exchange: str, day: date) -> date:
    """Return the day, or the trading day before it."""
    while not is_trading_day(exchange, day):
        day -= timedelta(days=1)
    return day


def monthly_expiry(underlying: Underlying, month: date) -> date:
    """Return the standard expiry of a month by the underlying's rule."""
    if underlying.expiry_rule == "volatility_index":
        # Thirty days before the third Friday of the month after.
        return _trading_day(
            underlying.exchange, third_friday(_month_start(month, 1)) - timedelta(days=30)
        )
    if underlying.expiry_rule in ("tuesday", "last_tuesday"):
        return _trading_day(underlying.exchange, _last_tuesday(month))
    return _trading_day(underlying.exchange, third_friday(month))


def is_monthly(underlying: Underlying, expiry: date) -> bool:
    return expiry == monthly_expiry(underlying, expiry)


def listed_expiries(underlying: Underlying, day: date) -> tuple[date, ...]:
    """Return expiries listed on a day, soonest first, the day's own included."""
    return _listed_expiries(underlying.symbol, day)


@lru_cache(maxsize=512)
def _listed_expiries(symbol: str, day: date) -> tuple[date, ...]:
    underlying = UNDERLYINGS[INDEX_BY_SYMBOL[symbol]]
    rule, exchange = underlying.expiry_rule, underlying.exchange
    monthlies = {
        "volatility_index": range(7),
        "tuesday": (0, 1, 2),
        "last_tuesday": (0, 1, 2),
    }.get(rule, (0, 1, 2, 3, 4, 6, 8, 10, 12))
    found = {monthly_expiry(underlying, _month_start(day, months)) for months in monthlies}
    # Long-dated series: January and June for two years and more, quarters on the NSE.
    if rule in ("daily", "weekly"):
        far = [_month_start(day, months) for months in range(3, 31)]
        found |= {monthly_expiry(underlying, month) for month in far if month.month in (1, 6)}
    elif rule == "tuesday":
        far = [_month_start(day, months) for months in range(3, 25)]
        found |= {monthly_expiry(underlying, month) for month in far if month.month % 6 == 0}
    if rule == "daily":
        found |= {
            ahead
            for ahead in (day + timedelta(days=days) for days in range(15))
            if is_trading_day(exchange, ahead)
        }
    weekday = {"daily": _FRIDAY, "weekly": _FRIDAY, "tuesday": _TUESDAY}.get(rule)
    if weekday is not None:
        first = day + timedelta(days=(weekday - day.weekday()) % 7)
        weeks = 8 if rule != "tuesday" else 5
        found |= {_trading_day(exchange, first + timedelta(days=7 * week)) for week in range(weeks)}
    return tuple(sorted(expiry for expiry in found if expiry >= day))


def expiry_instant(underlying: Underlying, expiry: date) -> float:
    """Return when the options stop trading, in Unix seconds.

    That is the close, or for the VIX the opening auction.
    """
    hours = EXCHANGES[underlying.exchange]
    at = hours.closes
    if underlying.expiry_rule == "volatility_index":
        at = hours.opens
    elif hours.closes_early is not None and expiry in half_days(underlying.exchange):
        at = hours.closes_early
    return instant(underlying.exchange, expiry, at)


@lru_cache(maxsize=64)
def strikes(underlying_symbol: str, monthly: bool) -> NDArray[np.float64]:
    """Return strikes of an expiry, ascending: dense near the underlying's level, wider outside."""
    underlying = UNDERLYINGS[INDEX_BY_SYMBOL[underlying_symbol]]
    bands = underlying.monthly_strikes
    if not monthly and underlying.weekly_strikes:
        bands = underlying.weekly_strikes
    found: set[float] = set()
    for half_width, step in bands:
        lowest = max(underlying.level * (1.0 - half_width), step)
        highest = underlying.level * (1.0 + half_width)
        multiples = np.arange(np.ceil(lowest / step), np.floor(highest / step) + 1.0)
        found.update((multiples * step).tolist())
    return np.array(sorted(found))
