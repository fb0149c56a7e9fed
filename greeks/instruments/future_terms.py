"""Multiplier and last trading day of common futures, for records that have neither.

An export of transactions names ``/CLJ4`` and no more. A broker's own terms come first; those of a
product that is not in the table are not guessed. Source: knowledge of the contract specifications
of CME Group and Cboe, no copy of them.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from greeks.instruments.business_days import (
    business_day,
    last_business_day,
    next_month,
    nth_weekday,
)
from greeks.instruments.last_trading import volatility_expiry
from greeks.instruments.price_units import SIZES_OF_HUNDREDTHS

#: Dollars for one point of the quoted price.
MULTIPLIERS: Final = {
    **dict.fromkeys(("ES", "RTY"), Decimal(50)),
    **dict.fromkeys(("MES", "YM", "BTC"), Decimal(5)),
    **dict.fromkeys(("NQ",), Decimal(20)),
    **dict.fromkeys(("MNQ",), Decimal(2)),
    **dict.fromkeys(("M2K",), Decimal(5)),
    **dict.fromkeys(("MYM",), Decimal("0.5")),
    **dict.fromkeys(("MBT", "MET"), Decimal("0.1")),
    **dict.fromkeys(("ETH",), Decimal(50)),
    **dict.fromkeys(("ZR", "ZT"), Decimal(2000)),
    **dict.fromkeys(("EMD",), Decimal(100)),
    **dict.fromkeys(("SOL",), Decimal(500)),
    **dict.fromkeys(("MSL",), Decimal(25)),
    **dict.fromkeys(("XRP",), Decimal(50_000)),
    **dict.fromkeys(("MNG", "2YY", "5YY", "10Y", "30Y"), Decimal(1000)),
    **dict.fromkeys(("ZQ", "SR1"), Decimal(4167)),
    **dict.fromkeys(("CL", "ZB", "ZN", "ZF", "UB", "TN", "VX"), Decimal(1000)),
    **dict.fromkeys(("MCL", "GC", "VXM", "PA"), Decimal(100)),
    **dict.fromkeys(("QM",), Decimal(500)),
    **dict.fromkeys(("NG",), Decimal(10_000)),
    **dict.fromkeys(("MGC",), Decimal(10)),
    **dict.fromkeys(("SI",), Decimal(5000)),
    **dict.fromkeys(("SIL",), Decimal(1000)),
    **dict.fromkeys(("HG",), Decimal(25_000)),
    **dict.fromkeys(("6E", "6S"), Decimal(125_000)),
    **dict.fromkeys(("6A", "6C", "6L", "6N"), Decimal(100_000)),
    **dict.fromkeys(("6M",), Decimal(500_000)),
    **dict.fromkeys(("M6A",), Decimal(10_000)),
    **dict.fromkeys(("M6B",), Decimal(6250)),
    **dict.fromkeys(("SR3", "MHG", "QG"), Decimal(2500)),
    **dict.fromkeys(("PL",), Decimal(50)),
    **dict.fromkeys(("6B",), Decimal(62_500)),
    **dict.fromkeys(("6J",), Decimal(12_500_000)),
    **dict.fromkeys(("M6E",), Decimal(12_500)),
    **dict.fromkeys(("ZM",), Decimal(100)),
    **dict.fromkeys(("MZM",), Decimal(10)),
    **dict.fromkeys(("HO", "RB"), Decimal(42_000)),
    # Per hundredth: of grains 5,000 bushels in cents.
    **{product: size / 100 for product, size in SIZES_OF_HUNDREDTHS.items()},
}
_QUARTERLY_INDICES: Final = frozenset({"ES", "MES", "NQ", "MNQ", "RTY", "M2K", "YM", "MYM", "EMD"})
_CRUDE: Final = frozenset({"CL", "MCL", "QM"})
_METALS: Final = frozenset({"GC", "MGC", "SI", "SIL", "HG", "MHG", "PL", "PA"})
_MONTH_BEFORE: Final = frozenset({"HO", "RB", "6L"})
_CURRENCIES: Final = frozenset(
    {"6A", "6B", "6E", "6J", "6M", "6N", "6S", "M6A", "M6B", "M6E"}
)  # fmt: skip
_LONG_BONDS: Final = frozenset({"ZB", "ZN", "UB", "TN"})
_MONTH_ENDS: Final = frozenset(
    {"ZF", "ZT", "2YY", "5YY", "10Y", "30Y", "ZQ", "SR1", "LE"}
)  # fmt: skip
_GRAINS: Final = frozenset(
    {"ZC", "ZS", "ZW", "KE", "ZO", "ZL", "ZM", "ZR", "XC", "XK", "XW", "MZC", "MZS", "MZW", "MZL",
     "MZM"}
)  # fmt: skip
_CRYPTO: Final = frozenset({"BTC", "MBT", "ETH", "MET", "SOL", "MSL", "XRP"})
_SMALL_GAS: Final = frozenset({"MNG", "QG"})
_VOLATILITY: Final = frozenset({"VX", "VXM"})
_MONTHS: Final = "FGHJKMNQUVXZ"
_CODE: Final = re.compile(
    r"/?(?P<product>[A-Z0-9]{1,4}?)(?P<month>[FGHJKMNQUVXZ])(?P<year>\d{1,2})", re.ASCII
)
_FRIDAY, _WEDNESDAY = 4, 2


def product_of(code: str) -> str:
    """Return the product of a future's code: ``/MESU4`` → ``MES``. Empty if it is no code."""
    matched = _CODE.fullmatch(code)
    return matched["product"] if matched else ""


def last_trading_day(code: str, *, near: date) -> date | None:
    """Return the last trading day of a future's code, ``None`` if the product is not known.

    A code of one digit repeats each ten years: the first that had not expired at ``near``, a day
    on which the contract traded, is meant.
    """
    matched = _CODE.fullmatch(code)
    if matched is None:
        return None
    month = _MONTHS.index(matched["month"]) + 1
    digits = matched["year"]
    years = [2000 + int(digits)] if len(digits) == 2 else [
        year for year in range(near.year, near.year + 11) if year % 10 == int(digits)
    ]  # fmt: skip
    for year in years:
        day = _last_day(matched["product"], year, month)
        if day is None or day >= near or len(digits) == 2:
            return day
    return None


def _last_day(product: str, year: int, month: int) -> date | None:
    if product in _QUARTERLY_INDICES:
        return last_business_day(nth_weekday(year, month, _FRIDAY, 3))
    if product in _CRUDE:
        before = date(year - (month == 1), (month - 2) % 12 + 1, 25)
        # A 25th on which the market is closed counts as the business day before it.
        return business_day(last_business_day(before), -3 if product == "CL" else -4)
    if product in _MONTH_BEFORE:
        return business_day(date(year, month, 1), -1)
    if product == "NG" or product in _SMALL_GAS:
        return business_day(date(year, month, 1), -3 - (product in _SMALL_GAS))
    if product in _METALS:
        return business_day(next_month(year, month), -3)
    if product in _CURRENCIES:
        return business_day(nth_weekday(year, month, _WEDNESDAY, 3), -2)
    if product == "6C":
        return business_day(nth_weekday(year, month, _WEDNESDAY, 3), -1)
    if product == "SR3":
        # The quarter that begins in the contract's month.
        later = date(year + (month + 2) // 12, (month + 2) % 12 + 1, 1)
        return business_day(nth_weekday(later.year, later.month, _WEDNESDAY, 3), -1)
    if product == "HE":
        return business_day(date(year, month, 1), 9)
    if product in _LONG_BONDS:
        return business_day(next_month(year, month), -8)
    if product in _MONTH_ENDS:
        return business_day(next_month(year, month), -1)
    if product in _GRAINS:
        return business_day(date(year, month, 15), -1)
    if product in _CRYPTO:
        last = next_month(year, month) - timedelta(days=1)
        return last_business_day(last - timedelta(days=(last.weekday() - _FRIDAY) % 7))
    if product in _VOLATILITY:
        return volatility_expiry(year, month)
    return None
