"""IBKR's unit of price, the same over the Client Portal and the socket.

``priceMagnifier`` says how many price units make one of the contract's currency: 100 where grains,
meats and cotton are quoted in cents and shares in London in pence. Quotes, prices of orders and
strikes are in that unit; cost, value and P&L are in currency (IBKR's API reference,
``ContractDetails``; strikes since TWS 972).
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from greeks.domain import Contract, InstrumentKind, Snapshot
from greeks.providers.decoding import Row, parse_decimal

MAGNIFIER = "priceMagnifier"
ONE = Decimal(1)
_QUOTED = ("bid", "ask", "last", "mark", "opening_price", "previous_close")
_FUTURES = frozenset({InstrumentKind.FUTURE, InstrumentKind.FUTURE_OPTION})
_SHARES = frozenset({InstrumentKind.STOCK, InstrumentKind.OPTION})


def may_be_magnified(contract: Contract) -> bool:
    """Whether to look up the unit: futures and options on them, shares and options abroad."""
    return contract.kind in _FUTURES or (contract.kind in _SHARES and contract.currency != "USD")


def magnifier_of(row: Row) -> Decimal:
    """Return how many of the row's price units make one of its currency; 1 if it does not say."""
    magnifier = parse_decimal(row.get(MAGNIFIER), MAGNIFIER)
    return magnifier if magnifier is not None and magnifier > 0 else ONE


def in_currency(price: Decimal | None, magnifier: Decimal) -> Decimal | None:
    """Convert a price in the unit of the quotes."""
    return price if price is None or magnifier == 1 else price / magnifier


def price_of_value(
    price: Decimal | None, magnifier: Decimal, *, value: Decimal | None, size: Decimal
) -> Decimal | None:
    """Convert a price whose unit only its ``value`` tells; ``size`` is what the value counts."""
    if price is None or magnifier == 1 or not value or not size:
        return price
    apart = abs(abs(price * size) - abs(value))
    scaled = price / magnifier
    return scaled if abs(abs(scaled * size) - abs(value)) < apart else price


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
