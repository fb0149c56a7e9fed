"""Duties of IBKR's Activity Statement (stamp taxes and the like): costs of the trades they name."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from greeks.providers.decoding import BadRow, parse_decimal
from trades.importing.flex_values import Attributes


def charge_duties(trades: list[dict[str, str]], duties: Sequence[Attributes]) -> list[Attributes]:
    """Add duties to the taxes of their trades; return those without a trade here.

    A duty names its trade by symbol and time, or that of an order by its day and quantity.
    """
    named: dict[tuple[str, ...], dict[str, str]] = {}
    for trade in reversed(trades):
        for name in _names(trade):
            named[name] = trade
    left = []
    for duty in duties:
        trade = next((named[name] for name in _names(duty) if name in named), {})
        try:
            amount = parse_decimal(duty.get("amount"), "amount", required=True)
            paid = parse_decimal(trade.get("taxes"), "taxes") or Decimal(0)
        except BadRow:
            trade = {}
        if trade:
            trade["taxes"] = f"{paid + amount:f}"
        else:
            left.append(duty)
    return left


def _names(row: Attributes) -> tuple[tuple[str, ...], ...]:
    of = (row.get("accountId", ""), row.get("symbol", ""))
    at, quantity = row.get("dateTime", ""), row.get("quantity", "").lstrip("-")
    return (*of, at), (*of, at[:10], quantity)
