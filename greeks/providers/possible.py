"""What a vendor's number can be: a sentinel (a delta of −999, a price of −1) is missing.

One number that cannot be true costs neither its row nor the quote beside it, whoever sent it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from greeks.chains import LARGEST_DELTA
from greeks.domain import Greeks, Quote
from greeks.providers.decoding import BadRow, parse_float

_LARGEST_VOLATILITY: Final = 100.0
#: Vendors write the largest double for "not set", some of its digits cut off.
_UNSET: Final = 1.797e308
_PRICES: Final = ("bid", "ask", "last", "mark", "opening_price", "previous_close")
_COUNTS: Final = ("volume", "open_interest")
_GREEKS: Final = ("delta", "gamma", "theta", "vega")
_VOLATILITY: Final = "implied_volatility"


def possible_quote(quote: Quote) -> Quote:
    """Return the quote without the numbers that its contract cannot have.

    A price below zero is possible for a future, a count never.
    """
    names = _COUNTS if quote.contract.may_be_negative else (*_PRICES, *_COUNTS)
    sent: dict[str, Decimal | int | None] = {name: getattr(quote, name) for name in names}
    missing: dict[str, Any] = {
        name: None for name, value in sent.items() if value is not None and value < 0
    }
    return replace(quote, **missing) if missing else quote


def read_greeks(
    sent: Mapping[str, object], *, source: str, as_of: datetime, faults: list[str]
) -> Greeks | None:
    """Return the Greeks that a row sent, by the names of ``Greeks``; ``None`` if it has none.

    A number that cannot be true is missing, and named in ``faults`` (``delta: -999 is
    impossible``). If that is one of the four Greeks, the contract has none of them. A volatility of
    zero is what vendors write for none.
    """
    numbers: dict[str, float | None] = {}
    bad: set[str] = set()
    for name, value in sent.items():
        try:
            number = parse_float(value, name)
            if name == _VOLATILITY:
                number = number or None
        except BadRow as error:
            number, reason = None, error.reason
        else:
            reason = "" if _is_possible(name, number) else f"{name}: {number:g} is impossible"
            if number is None and _is_huge(value):
                reason = f"{name}: {value} is too large to be true"
        if reason:
            bad.add(name)
            faults.append(reason)
        numbers[name] = None if reason else number
    if bad.intersection(_GREEKS):
        numbers |= dict.fromkeys(_GREEKS)
    if all(numbers.get(name) is None for name in (*_GREEKS, _VOLATILITY)):
        return None
    return Greeks(source=source, as_of=as_of, **numbers)


def _is_huge(value: object) -> bool:
    """Return whether it is a number near the largest, but not that one, which says "not set"."""
    try:
        return 1e300 <= abs(float(str(value))) < _UNSET
    except ValueError:
        return False


def _is_possible(name: str, number: float | None) -> bool:
    if number is None:
        return True
    if name == "delta":
        return abs(number) <= LARGEST_DELTA
    if name in ("gamma", "vega"):
        return number >= 0.0
    return name != _VOLATILITY or 0.0 < number <= _LARGEST_VOLATILITY
