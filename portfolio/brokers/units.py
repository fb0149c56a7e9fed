"""Prices in a unit of quotes as prices in currency, for every broker's adapter."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, overload

from greeks.domain import Snapshot

_QUOTED: Final = ("bid", "ask", "last", "mark", "opening_price", "previous_close")


@overload
def in_currency(price: Decimal, magnifier: Decimal) -> Decimal: ...
@overload
def in_currency(price: Decimal | None, magnifier: Decimal) -> Decimal | None: ...
def in_currency(price: Decimal | None, magnifier: Decimal) -> Decimal | None:
    """Convert a price in the unit of the quotes."""
    return price if price is None or magnifier == 1 else price / magnifier


def snapshot_in_currency(snapshot: Snapshot, magnifier: Decimal) -> Snapshot:
    """Convert a snapshot's prices, and its Greeks: all are per quoted unit."""
    if magnifier == 1:
        return snapshot
    quote, greeks, scale = snapshot.quote, snapshot.greeks, float(magnifier)
    if quote is not None:
        prices: dict[str, Any] = {
            name: in_currency(getattr(quote, name), magnifier) for name in _QUOTED
        }
        quote = replace(quote, **prices)
    if greeks is not None:
        numbers: dict[str, Any] = {
            name: None if (value := getattr(greeks, name)) is None else value * factor
            for name, factor in (
                ("gamma", scale), ("theta", 1 / scale), ("vega", 1 / scale),
                ("underlying_price", 1 / scale),
            )
        }  # fmt: skip
        greeks = replace(greeks, **numbers)
    return replace(snapshot, quote=quote, greeks=greeks)
