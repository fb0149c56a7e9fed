"""Products whose prices are quoted in hundredths of their currency, and names of futures by vendor.

Grains, meats, softs, butter and milk powder are quoted in cents: 450 is 4.50 dollars a bushel;
rice, soybean meal, cocoa and milk in dollars. The desk holds all in currency: multiplier 5,000
bushels, price and strikes in dollars. IBKR says so by its price magnifier; Tastytrade has the
multiplier per cent (50) and says nothing.

Source: contract specifications of CME Group and ICE Futures U.S. (sizes); a recorded answer of
Tastytrade's ``/instruments/futures`` (live cattle: size 40,000, notional multiplier 400); names
and magnifiers as a public list of IBKR's futures has them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

#: Product → what one contract holds, in the unit that its price in currency is per.
SIZES_OF_HUNDREDTHS: Final = {
    **dict.fromkeys(("ZC", "ZS", "ZW", "KE", "ZO"), Decimal(5000)),
    **dict.fromkeys(("XC", "XK", "XW", "XN", "YC", "YK", "YW"), Decimal(1000)),
    **dict.fromkeys(("MZC", "MZS", "MZW"), Decimal(500)),
    "ZL": Decimal(60_000),
    "MZL": Decimal(6000),
    **dict.fromkeys(("LE", "HE"), Decimal(40_000)),
    "GF": Decimal(50_000),
    "CT": Decimal(50_000),
    "KC": Decimal(37_500),
    **dict.fromkeys(("SB", "SF"), Decimal(112_000)),
    "CB": Decimal(20_000),
    **dict.fromkeys(("NF", "DY"), Decimal(44_000)),
    "OJ": Decimal(15_000),
}
HUNDRED: Final = Decimal(100)
ONE: Final = Decimal(1)

#: IBKR's name of a future's product and its multiplier → the exchange's code, where they differ.
_CODES: Final = {
    ("AUD", 100_000): "6A",
    ("GBP", 62_500): "6B",
    ("CAD", 100_000): "6C",
    ("EUR", 125_000): "6E",
    ("EUR", 62_500): "E7",
    ("JPY", 12_500_000): "6J",
    ("JPY", 6_250_000): "J7",
    ("BRE", 100_000): "6L",
    ("MXP", 500_000): "6M",
    ("NZD", 100_000): "6N",
    ("CHF", 125_000): "6S",
    ("ZAR", 500_000): "6Z",
    ("VIX", 1000): "VX",
    ("VIX", 100): "VXM",
    ("BRR", 5): "BTC",
    ("BRR", Decimal("0.1")): "MBT",
    ("ETHUSDRR", 50): "ETH",
    ("ETHUSDRR", Decimal("0.1")): "MET",
    ("SI", 1000): "SIL",
    ("SOFR1", 4167): "SR1",
    ("SOFR3", 2500): "SR3",
}


def hundredths_per_unit(product: str, multiplier: Decimal) -> Decimal:
    """Return 100 if ``multiplier`` is per hundredth of the price's currency (50), else 1."""
    size = SIZES_OF_HUNDREDTHS.get(product)
    return HUNDRED if size is not None and multiplier * HUNDRED == size else ONE


def is_quoted_in_hundredths(product: str, multiplier: Decimal) -> bool:
    """Return whether the exchange quotes a contract of that size (5,000) in hundredths."""
    return SIZES_OF_HUNDREDTHS.get(product) == multiplier


def exchange_code(name: str, multiplier: Decimal, currency: str) -> str:
    """Return the exchange's code of a future's product: ``6J`` of IBKR's ``JPY``."""
    return _CODES.get((name, multiplier), name) if currency == "USD" else name
