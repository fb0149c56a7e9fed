"""The expiry of index options that stop trading the business day before it.

Most settle from the opening prices of their day, so a vendor that tells the last trading day
(IBKR) tells the day before. Without an OCC symbol and the expiry of the definition the trading
class says so.

Source: Cboe's and Nasdaq's rules for AM-settled options; JPX, *Nikkei 225 Options, contract
specifications* (the last trading day is the business day before the Friday or Wednesday of expiry);
Bourse de Montréal, *SXO* (the business day before the third Friday); Eurex, *SMI Options* (the
exchange day before the final settlement day); Cboe, *MSCI EAFE*, which settle at the close of a
Friday whose Thursday is the last trading day. A day of expiry on which the
market is closed moves to the business day before.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final, NamedTuple

from greeks.indices import INDICES, SELECT_SECTORS
from greeks.instruments.business_days import (
    NEW_YORK,
    business_day,
    last_business_day,
    next_month,
    nth_weekday,
)

_WEDNESDAY, _FRIDAY = 2, 4


def volatility_expiry(year: int, month: int) -> date:
    """Return the day on which the month's VIX options and futures settle.

    That is 30 days before the S&P 500 options of the next month expire.
    """
    after = next_month(year, month)
    day = last_business_day(nth_weekday(after.year, after.month, _FRIDAY, 3)) - timedelta(days=30)
    return last_business_day(day)


def _is_third_friday(day: date, market: str) -> bool:
    return day == last_business_day(nth_weekday(day.year, day.month, _FRIDAY, 3), market)


def _is_volatility_expiry(day: date, market: str) -> bool:
    return day == volatility_expiry(day.year, day.month) or _is_rolled(day, market, _WEDNESDAY)


def _is_wednesday_or_friday(day: date, market: str) -> bool:
    return _is_rolled(day, market, _WEDNESDAY) or _is_rolled(day, market, _FRIDAY)


def _is_rolled(day: date, market: str, weekday: int) -> bool:
    """Return whether the day is the weekday, or stands for it because the market is closed."""
    nominal = day + timedelta(days=(weekday - day.weekday()) % 7)
    return day == last_business_day(nominal, market)


class _Rule(NamedTuple):
    market: str
    is_expiry: Callable[[date, str], bool]
    #: Options of other classes on the same index settle at the close of their last day.
    needs_class: bool = False


_MONTHLY: Final = _Rule(NEW_YORK, _is_third_friday)
_MONTHLY_OF_CLASS: Final = _Rule(NEW_YORK, _is_third_friday, needs_class=True)
_VOLATILITY: Final = _Rule(NEW_YORK, _is_volatility_expiry)
_OSAKA: Final = _Rule("XJPX", _is_wednesday_or_friday)
_MONTREAL: Final = _Rule("XTSE", _is_third_friday)
_ZURICH: Final = _Rule("XSWX", _is_third_friday)
#: By currency and trading class.
_RULES: Final = {
    "USD": {
        **dict.fromkeys(("SPX", "NDX", "RUT"), _MONTHLY_OF_CLASS),
        **dict.fromkeys(
            SELECT_SECTORS
            | {"RUI", "RLG", "RLV", "DJX", "SOX", "BKX", "CBTX", "MBTX", "MGTN"}
            | {"MXEA", "MXEF", "MXACW", "MXWLD"},
            _MONTHLY,
        ),
        **dict.fromkeys(("VIX", "VIXW"), _VOLATILITY),
    },
    "JPY": dict.fromkeys(INDICES["JPY"], _OSAKA),
    "CAD": dict.fromkeys(INDICES["CAD"], _MONTREAL),
    "CHF": dict.fromkeys(INDICES["CHF"], _ZURICH),
}


def expiry_after(day: date, *, trading_class: str, underlying: str, currency: str) -> date:
    """Return the expiry of an option whose last trading day is ``day``; mostly that day itself.

    ``trading_class`` may be empty: then only indices count whose options all settle from the
    opening. A day that is an expiry and no day before one stays.
    """
    rules = _RULES.get(currency.upper(), {})
    rule = rules.get(trading_class.upper())
    if rule is None and (not trading_class or currency.upper() != "USD"):
        rule = rules.get(underlying.upper())
        if rule is not None and rule.needs_class and not trading_class:
            return day
    if rule is None:
        return day
    following = business_day(day + timedelta(days=1), 0, rule.market)
    return following if rule.is_expiry(following, rule.market) else day
