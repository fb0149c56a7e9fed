"""Prices in fractions, as futures on US Treasuries and grains are quoted: ``110'165``, ``450'2``.

A Treasury's price counts 32nds and parts of one, of which the first digit is written (165 is 16.5
of 32, 2 a quarter, 7 three quarters), or all after a point; an option on it counts 64ths. Grains
count eighths of a cent. Source: contract specifications of CME Group.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from greeks.domain import Contract, InstrumentKind
from greeks.instruments.future_terms import product_of

_QUOTED: Final = re.compile(
    r"(?P<sign>-?)(?P<whole>\d{1,7})'(?P<ticks>\d{1,3})(?:\.(?P<part>\d{1,2}))?", re.ASCII
)
_TREASURIES: Final = frozenset({"ZT", "ZF", "ZN", "TN", "ZB", "UB"})
_IN_EIGHTHS: Final = frozenset(
    {"ZC", "ZS", "ZW", "KE", "ZO", "XC", "XK", "XW", "YC", "YK", "YW", "MZC", "MZS", "MZW"}
)
#: The digit behind the 32nds: eighths of one, cut off after the point.
_EIGHTHS: Final = {digit: Decimal(eighth) / 8 for eighth, digit in enumerate("01235678")}


def price_of_fractions(text: str, contract: Contract) -> Decimal | None:
    """Return ``110.515625`` for a Treasury's ``110'165``; ``None`` if it is no such price."""
    matched = _QUOTED.fullmatch(text.strip())
    if matched is None:
        return None
    name = contract.underlying.removeprefix("/")
    product = product_of(name) if contract.kind is InstrumentKind.FUTURE_OPTION else name
    parts = _parts(product or name, matched["ticks"], matched["part"], contract.is_option)
    if parts is None:
        return None
    price = Decimal(matched["whole"]) + parts
    return -price if matched["sign"] else price


def _parts(product: str, ticks: str, part: str | None, is_option: bool) -> Decimal | None:
    """Return what stands behind the apostrophe, as a part of 1."""
    if product in _IN_EIGHTHS and len(ticks) == 1 and part is None and int(ticks) < 8:
        return Decimal(ticks) / 8
    if product not in _TREASURIES or len(ticks) == 1 or (part and len(ticks) == 3):
        return None
    of = 64 if is_option else 32
    more = Decimal(f"0.{part}") if part else _EIGHTHS.get(ticks[2:] or "0")
    count = int(ticks[:2])
    return None if more is None or count >= of else (count + more) / of
