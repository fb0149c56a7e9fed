"""The documented margin rule on books small enough to reckon by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from greeks.domain import Contract, InstrumentKind, Right
from portfolio.sandbox.margin import Holding, margin_requirements

NEAR, FAR = date(2026, 9, 18), date(2026, 12, 18)


def option(
    right: Right, strike: int, quantity: int, price: float, expiry: date = NEAR, spot: float = 100.0
) -> Holding:
    contract = Contract(
        kind=InstrumentKind.OPTION,
        symbol=f"{right}{strike}{expiry}",
        underlying="XYZ",
        multiplier=Decimal(100),
        currency="USD",
        expiry=expiry,
        strike=Decimal(strike),
        right=right,
    )
    return Holding(contract, quantity, price, spot)


def shares(quantity: int) -> Holding:
    contract = Contract(
        kind=InstrumentKind.STOCK,
        symbol="XYZ",
        underlying="XYZ",
        multiplier=Decimal(1),
        currency="USD",
    )
    return Holding(contract, quantity, 100.0, 100.0)


CALL, PUT = Right.CALL, Right.PUT


@pytest.mark.parametrize(
    ("book", "initial", "maintenance"),
    [
        ([], 0.0, 0.0),
        ([shares(100)], 5_000.0, 2_500.0),
        ([shares(-100)], 5_000.0, 2_500.0),
        # Long options are paid for and need nothing.
        ([option(CALL, 100, 3, 4.0)], 0.0, 0.0),
        # Naked put at 90: 2.00 + max(20 % of 100 − 10, 10 % of 90) = 12.00 a share.
        ([option(PUT, 90, -2, 2.0)], 2_400.0, 2_400.0),
        # Far out of the money the tenth of the strike counts: 0.10 + 7.00.
        ([option(PUT, 70, -1, 0.1)], 710.0, 710.0),
        # A call's tenth is of the underlying: 0.10 + 10.00.
        ([option(CALL, 130, -1, 0.1)], 1_010.0, 1_010.0),
        # Covered by shares, but only as many as there are.
        ([shares(100), option(CALL, 105, -1, 1.5)], 5_000.0, 2_500.0),
        ([shares(100), option(CALL, 105, -2, 1.5)], 6_650.0, 4_150.0),
        # Vertical: its width. Debit spread: nothing.
        ([option(PUT, 90, -1, 2.0), option(PUT, 85, 1, 1.0)], 500.0, 500.0),
        ([option(CALL, 100, 1, 4.0), option(CALL, 105, -1, 2.0)], 0.0, 0.0),
        # A calendar is covered by its longer leg; the reverse is not.
        ([option(PUT, 90, -1, 2.0), option(PUT, 90, 1, 3.0, FAR)], 0.0, 0.0),
        ([option(PUT, 90, 1, 2.0), option(PUT, 90, -1, 3.0, FAR)], 1_300.0, 1_300.0),
        # Condor and strangle: the worse side only.
        (
            [
                option(PUT, 90, -1, 2.0),
                option(PUT, 85, 1, 1.0),
                option(CALL, 110, -1, 2.0),
                option(CALL, 120, 1, 1.0),
            ],
            1_000.0,
            1_000.0,
        ),
        ([option(PUT, 90, -1, 2.0), option(CALL, 110, -1, 1.5)], 1_200.0, 1_200.0),
    ],
)
def test_requirement_is_the_rules(book: list[Holding], initial: float, maintenance: float) -> None:
    assert margin_requirements(book) == pytest.approx((initial, maintenance))
