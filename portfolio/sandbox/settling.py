"""What becomes of positions without an order: expiry, assignment, exercise, cash, a split."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from greeks.domain import Contract, InstrumentKind, Right
from greeks.sandbox.listing import expiry_instant
from greeks.sandbox.underlyings import INDEX_BY_SYMBOL, UNDERLYINGS
from portfolio.domain import ExecutionKind

#: The clearing house exercises what is in the money by a cent.
_IN_THE_MONEY = 0.01


class Booking(NamedTuple):
    """One row of a settlement. ``quantity`` is signed."""

    contract: Contract
    kind: ExecutionKind
    quantity: int
    price: float
    effect: str


def settlement_time(option: Contract) -> float:
    """Return when an option of the simulated market expires, in Unix seconds."""
    if option.expiry is None:
        raise ValueError(f"{option.symbol} does not expire")
    return expiry_instant(UNDERLYINGS[INDEX_BY_SYMBOL[option.underlying]], option.expiry)


def split_time(opened_at: float) -> float:
    """Return when shares are split that were bought then: in the night after (00:25 UTC)."""
    night = datetime.fromtimestamp(opened_at, UTC) + timedelta(days=1)
    return night.replace(hour=0, minute=25, second=0, microsecond=0).timestamp()


def settle_legs(
    legs: Sequence[tuple[Contract, int]], underlying: Contract, spot: float
) -> list[Booking]:
    """Return what is booked when the legs expire at ``spot``.

    In the money, options on an index are settled in cash; a short option on a share is assigned,
    a long one exercised, and the shares are delivered at the strike.
    """
    bookings = []
    for contract, quantity in legs:
        strike, is_call = float(contract.strike or 0), contract.right is Right.CALL
        value = round(spot - strike if is_call else strike - spot, 2)
        if value < _IN_THE_MONEY:
            bookings.append(Booking(contract, ExecutionKind.EXPIRATION, -quantity, 0.0, "CLOSE"))
        elif underlying.kind is InstrumentKind.INDEX:
            settled = ExecutionKind.CASH_SETTLEMENT
            bookings.append(Booking(contract, settled, -quantity, value, "CLOSE"))
        else:
            kind = ExecutionKind.EXERCISE if quantity > 0 else ExecutionKind.ASSIGNMENT
            bookings.append(Booking(contract, kind, -quantity, 0.0, "CLOSE"))
            shares = (quantity if is_call else -quantity) * int(contract.multiplier)
            effect = "OPEN" if shares > 0 else "CLOSE"
            bookings.append(Booking(underlying, ExecutionKind.DELIVERY, shares, strike, effect))
    return bookings
