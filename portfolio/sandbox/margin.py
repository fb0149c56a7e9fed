"""Margin of a simulated book: a simplified strategy-based rule like Regulation T.

Stock needs 50 % of its value initially and 25 % for maintenance. Long options are paid in full and
lend nothing. For short options, per underlying and right: calls covered by shares cost nothing. A
short paired with a long of the same right that expires no sooner costs the spread's width, if that
is a loss. A naked short costs its value plus the greater of 20 % of the underlying less the amount
out of the money, and 10 % of the underlying (calls) or of the strike (puts). Only the larger of the
calls' and the puts' side counts, because both cannot lose. A future needs 10 % of its value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from greeks.domain import Contract, InstrumentKind, Right

INITIAL_STOCK, MAINTENANCE_STOCK = 0.50, 0.25
FUTURE = 0.10
_NAKED, _NAKED_LEAST = 0.20, 0.10


class Holding(NamedTuple):
    """A position for the margin rule; price and spot in dollars per unit."""

    contract: Contract
    quantity: int
    price: float
    spot: float


class _Lot(NamedTuple):
    strike: float
    expiry: date
    holding: Holding


def margin_requirements(holdings: Sequence[Holding]) -> tuple[float, float]:
    """Return the book's initial and maintenance requirement, in dollars."""
    stock_value = futures = 0.0
    shares: dict[str, int] = defaultdict(int)
    options: dict[str, dict[Right, list[Holding]]] = defaultdict(lambda: defaultdict(list))
    for holding in holdings:
        contract = holding.contract
        if contract.kind is InstrumentKind.FUTURE:
            size = abs(holding.quantity * holding.price) * float(contract.multiplier)
            futures += FUTURE * size
        elif contract.is_option and contract.right is not None:
            options[contract.underlying][contract.right].append(holding)
        else:
            stock_value += abs(holding.quantity) * holding.price
            shares[contract.symbol] += holding.quantity
    short = sum(
        max(
            _side_requirement(sides[Right.CALL], covered=shares[underlying]),
            _side_requirement(sides[Right.PUT], covered=-shares[underlying]),
        )
        for underlying, sides in options.items()
    )
    fixed = short + futures
    return INITIAL_STOCK * stock_value + fixed, MAINTENANCE_STOCK * stock_value + fixed


def _side_requirement(holdings: Sequence[Holding], *, covered: int) -> float:
    """Return the requirement of one underlying's calls or puts.

    ``covered``: shares that cover shorts.
    """
    longs = _lots(holdings, 1)
    total = 0.0
    for short in _lots(holdings, -1):
        multiplier = int(short.holding.contract.multiplier)
        if covered >= multiplier:
            covered -= multiplier
            continue
        pairs = [long for long in longs if long.expiry >= short.expiry]
        pair = min(pairs, key=lambda long: _width(short, long), default=None)
        naked = _naked(short.holding)
        if pair is not None and _width(short, pair) * multiplier < naked:
            longs.remove(pair)
            total += _width(short, pair) * multiplier
        else:
            total += naked
    return total


def _lots(holdings: Sequence[Holding], sign: int) -> list[_Lot]:
    """Return one entry per contract held on that side."""
    lots = []
    for holding in holdings:
        contract = holding.contract
        if holding.quantity * sign > 0 and contract.strike is not None and contract.expiry:
            lot = _Lot(float(contract.strike), contract.expiry, holding)
            lots.extend([lot] * abs(holding.quantity))
    return lots


def _width(short: _Lot, long: _Lot) -> float:
    """Return what the spread can lose per unit, before premium."""
    is_call = short.holding.contract.right is Right.CALL
    return max((long.strike - short.strike) if is_call else (short.strike - long.strike), 0.0)


def _naked(holding: Holding) -> float:
    contract, spot = holding.contract, holding.spot
    strike = float(contract.strike or 0)
    is_call = contract.right is Right.CALL
    out = max((strike - spot) if is_call else (spot - strike), 0.0)
    least = _NAKED_LEAST * (spot if is_call else strike)
    return (holding.price + max(_NAKED * spot - out, least)) * float(contract.multiplier)
