"""Rule 14: which shares an assignment or exercise moved."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import permutations

import pytest

from greeks.domain import InstrumentKind, Right
from portfolio.domain import ExecutionKind
from tests.trades.strategies.journal import Journal
from trades.strategies.deliveries import Shares, link_deliveries, moved_by

PLACE = ("U1", "XYZ", "USD", date(2026, 3, 20))
HUNDRED = Decimal(100)


def option(
    key: int,
    contracts: int,
    strike: int = 90,
    *,
    right: Right = Right.PUT,
    units: Decimal = HUNDRED,
    kind: InstrumentKind = InstrumentKind.OPTION,
) -> Shares:
    return moved_by(
        key=key,
        place=PLACE,
        kind=kind,
        right=right,
        strike=Decimal(strike),
        quantity=Decimal(contracts),
        multiplier=HUNDRED,
        units=units,
    )


def shares(key: int, units: int, price: int = 90, *, day: int = 20) -> Shares:
    place = (*PLACE[:3], date(2026, 3, day))
    return Shares(key=key, place=place, units=Decimal(units), prices=(Decimal(price),))


def links(ended: list[Shares], booked: list[Shares]) -> set[tuple[int, int, int]]:
    return {(link.ended, link.booked, int(link.units)) for link in link_deliveries(ended, booked)}


@pytest.mark.parametrize(
    ("right", "contracts", "units"),
    [(Right.PUT, -2, 200), (Right.PUT, 2, -200), (Right.CALL, -2, -200), (Right.CALL, 2, 200)],
)
def test_rule_14_direction_follows_right_and_sign(right: Right, contracts: int, units: int) -> None:
    assert links([option(1, contracts, right=right)], [shares(2, units)]) == {(1, 2, units)}
    assert links([option(1, contracts, right=right)], [shares(2, -units)]) == set()


@pytest.mark.parametrize(
    "booked", [shares(2, 200, 91), shares(2, 200, day=19), shares(2, -200)], ids=str
)
def test_rule_14_never_by_total_quantity_alone(booked: Shares) -> None:
    ended = option(1, -2)
    assert links([ended], [booked]) == set()
    assert (ended.left, booked.left) == (Decimal(200), booked.units)


def test_rule_14_many_to_many_in_any_order() -> None:
    for order in permutations([(1, -1), (2, -2), (3, -3)]):
        ended = [option(key, contracts) for key, contracts in order]
        booked = [shares(11, 300), shares(12, 200), shares(13, 60), shares(14, 40)]
        assert links(ended, booked) == {(1, 13, 60), (1, 14, 40), (2, 12, 200), (3, 11, 300)}
        assert not any(row.left for row in [*ended, *booked])


def test_rule_14_what_is_left_over_stays_unlinked() -> None:
    ended, booked = option(1, -3), shares(2, 200)
    assert links([ended], [booked]) == {(1, 2, 200)}
    assert (ended.left, booked.left) == (Decimal(100), Decimal(0))


@pytest.mark.parametrize("price", [90, 900])
def test_rule_14_adjusted_contract_moves_what_it_delivers(price: int) -> None:
    """After a reverse split of 1 for 10 it delivers 10 shares; some rows price them one by one."""
    adjusted = option(1, -2, units=Decimal(10))
    assert links([adjusted], [shares(2, 20, price)]) == {(1, 2, 20)}


def test_rule_14_option_on_a_future_moves_one_future() -> None:
    future = option(1, -2, units=Decimal(50), kind=InstrumentKind.FUTURE_OPTION)
    assert links([future], [shares(2, 2)]) == {(1, 2, 2)}


def test_rule_14_shares_stay_with_the_trade_of_their_own_option() -> None:
    """Two trades are assigned in one second: each keeps the shares of its strike."""
    journal = Journal()
    journal.order("o1", "-1 P90 2026-03-20")
    journal.order("o2", "-2 P80 2026-03-20", day=2)
    journal.fill(1, "P90 2026-03-20", day=18, kind=ExecutionKind.ASSIGNMENT, price=None)
    journal.fill(2, "P80 2026-03-20", day=18, kind=ExecutionKind.ASSIGNMENT, price=None)
    journal.fill(200, "stock", day=18, kind=ExecutionKind.DELIVERY, price="80")
    journal.fill(100, "stock", day=18, kind=ExecutionKind.DELIVERY, price="90")
    first, second = journal.build().trades
    assert [part.quantity for part in first.parts] == [-1, 100]
    assert [part.quantity for part in second.parts] == [-2, 200]


def test_rule_14_same_strike_links_by_quantity_of_each() -> None:
    """Two expiries of one strike, assigned together: shares go where their number fits."""
    journal = Journal()
    journal.order("o1", "-2 P90 2026-03-20")
    journal.order("o2", "-1 P90 2026-04-17", day=2)
    journal.fill(2, "P90 2026-03-20", day=18, kind=ExecutionKind.ASSIGNMENT, price=None)
    journal.fill(1, "P90 2026-04-17", day=18, kind=ExecutionKind.ASSIGNMENT, price=None)
    journal.fill(100, "stock", day=18, kind=ExecutionKind.DELIVERY, price="90")
    journal.fill(200, "stock", day=18, kind=ExecutionKind.DELIVERY, price="90")
    first, second = journal.build().trades
    assert [part.quantity for part in first.parts] == [-2, 200]
    assert [part.quantity for part in second.parts] == [-1, 100]


def test_rule_14_both_legs_in_the_money_lose_the_width() -> None:
    """Exercise and assignment of one instant net to no stock."""
    journal = Journal()
    journal.order("o1", "-1 C90 2026-03-20", "1 C95 2026-03-20")
    journal.fill(1, "C90 2026-03-20", day=18, kind=ExecutionKind.ASSIGNMENT, price="0")
    journal.fill(-1, "C95 2026-03-20", day=18, kind=ExecutionKind.EXERCISE, price="0")
    journal.fill(-100, "stock", day=18, kind=ExecutionKind.DELIVERY, price="90")
    journal.fill(100, "stock", day=18, kind=ExecutionKind.DELIVERY, price="95")
    trade = journal.only()
    assert trade.open_words == ""
    stock = [part for part in trade.parts if not part.contract.is_option]
    assert sum(part.gross or 0 for part in stock) == -500
    assert sum(part.gross or 0 for part in trade.parts) == -500
