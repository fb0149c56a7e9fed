"""IBKR's unit of price, the same over the Client Portal and the socket.

``priceMagnifier`` says how many price units make one of the contract's currency: 100 where grains,
meats and cotton are quoted in cents and shares in London in pence. Quotes, prices of orders and
strikes are in that unit; cost, value and P&L are in currency (IBKR's API reference,
``ContractDetails``; strikes since TWS 972).

Over the Client Portal it is a field of the rules for orders: ``rules.priceMagnifier`` of
``/iserver/contract/{conid}/info-and-rules`` (clients of that API declare it; no recorded answer
shows it, and neither ``/trsrv/secdef`` nor a position is known to). So where nobody tells it, the
product does if it is known, else a position's own numbers: ``mktPrice × position × multiplier`` a
power of ten above ``mktValue``.
"""

from __future__ import annotations

from decimal import Decimal

from greeks.domain import Contract, InstrumentKind
from greeks.instruments.price_units import is_quoted_in_hundredths
from greeks.providers.decoding import Row, parse_decimal

MAGNIFIER = "priceMagnifier"
ONE = Decimal(1)
_POWERS = (10, 100, 1000, 10_000)
_ROUNDING = Decimal("0.02")
_STRIKELESS = frozenset({InstrumentKind.FUTURE, InstrumentKind.STOCK})
_FUTURES = frozenset({InstrumentKind.FUTURE, InstrumentKind.FUTURE_OPTION})
_SHARES = frozenset({InstrumentKind.STOCK, InstrumentKind.OPTION})
#: The FTSE 100: its futures and options count 1,000 pounds for 100 points, so a point of the index
#: is a hundredth as well.
_POINTS = frozenset({"Z", "UKX", "FTSE"})
_POUNDS = Decimal(1000)


def may_be_magnified(contract: Contract) -> bool:
    """Whether to look up the unit: futures and options on them, shares and options abroad."""
    return contract.kind in _FUTURES or (contract.kind in _SHARES and contract.currency != "USD")


def may_imply_magnifier(contract: Contract) -> bool:
    """Whether a position may tell the unit: not an option's, whose strike has one too."""
    return may_be_magnified(contract) and contract.kind in _STRIKELESS


def magnifier_of_product(contract: Contract) -> int | None:
    """Return the unit that the exchange's specification gives; ``None`` if it is not known.

    Grains, meats and softs by size, whatever their strikes look like; the FTSE 100.
    """
    name, currency = contract.underlying.removeprefix("/"), contract.currency
    if contract.kind in _FUTURES and currency == "USD":
        return 100 if is_quoted_in_hundredths(name, contract.multiplier) else None
    if name in _POINTS and currency == "GBP":
        counted = contract.kind is InstrumentKind.INDEX or contract.multiplier == _POUNDS
        return 100 if counted else None
    return None


def magnifier_of(row: Row) -> Decimal:
    """Return how many of the row's price units make one of its currency; 1 if it does not say."""
    magnifier = parse_decimal(row.get(MAGNIFIER), MAGNIFIER)
    return magnifier if magnifier is not None and magnifier > 0 else ONE


def price_of_value(
    price: Decimal | None, magnifier: Decimal, *, value: Decimal | None, size: Decimal
) -> Decimal | None:
    """Convert a price whose unit only its ``value`` tells; ``size`` is what the value counts."""
    if price is None or magnifier == 1 or not value or not size:
        return price
    apart = abs(abs(price * size) - abs(value))
    scaled = price / magnifier
    return scaled if abs(abs(scaled * size) - abs(value)) < apart else price


def implied_magnifier(price: Decimal | None, *, value: Decimal | None, size: Decimal) -> int | None:
    """Return the power of ten by which ``price × size`` exceeds ``value``; ``None`` if it is none.

    ``size`` is what the value counts. Both are of one row: they differ by rounding, not by a tenth.
    """
    if not price or not value or not size:
        return None
    ratio = price * size / value
    return next((unit for unit in _POWERS if abs(ratio / unit - 1) < _ROUNDING), None)
