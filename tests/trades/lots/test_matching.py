"""Lots: what closes what, at which profit, by each method."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain import ExecutionKind
from trades.lots.events import PositionEvent
from trades.lots.matching import LotMethod, Lots, match_lots

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
STOCK, CALL, ADJUSTED = 1, 2, 3


def event(number: int, quantity: Any, price: Any = None, **changes: Any) -> PositionEvent:
    values: dict[str, Any] = {
        "id": number,
        "instrument": STOCK,
        "multiplier": Decimal(1),
        "kind": ExecutionKind.TRADE,
        "quantity": Decimal(str(quantity)),
        "price": None if price is None else Decimal(str(price)),
        "at": AT + timedelta(minutes=number),
    }
    return PositionEvent(**(values | changes))


def option(number: int, quantity: Any, price: Any = None, **changes: Any) -> PositionEvent:
    return event(
        number, quantity, price, **{"instrument": CALL, "multiplier": Decimal(100)} | changes
    )


def gross(lots: Lots) -> list[Decimal | None]:
    return [closed.gross for closed in lots.closed]


@pytest.mark.parametrize(
    ("method", "profits", "price"),
    [
        (LotMethod.FIFO, ["20", "-15"], "15"),
        (LotMethod.LIFO, ["-30", "10"], "10"),
        (LotMethod.HIFO, ["-30", "10"], "10"),
        (LotMethod.AVERAGE, ["-5", "-2.5"], "12.5"),
    ],
)
def test_methods_take_their_lot(method: LotMethod, profits: list[str], price: str) -> None:
    """10 at 10 and 10 at 15; 15 are sold at 12."""
    lots = match_lots([event(1, 10, 10), event(2, 10, 15), event(3, -15, 12)], method)
    assert gross(lots) == [Decimal(profit) for profit in profits]
    assert [(lot.quantity, lot.price) for lot in lots.open] == [(Decimal(5), Decimal(price))]


def test_highest_price_first_of_a_short_position_is_the_lowest_sale() -> None:
    lots = match_lots([option(1, -1, 3), option(2, -1, 2), option(3, 1, 1)], LotMethod.HIFO)
    assert gross(lots) == [100]
    assert lots.open[0].price == 3


def test_fill_through_zero_closes_and_opens() -> None:
    lots = match_lots([event(1, 10, 10), event(2, -15, 12, costs=Decimal("1.50"))])
    assert gross(lots) == [20]
    (lot,) = lots.open
    assert [lot.quantity, lot.price, lot.costs] == [-5, 12, Decimal("0.5")]
    assert lots.closed[0].net == 19


def test_rule_16_close_without_an_open_has_no_profit_and_is_kept() -> None:
    lots = match_lots([option(1, -1, 2, position_effect="CLOSE")])
    closed = lots.closed[0]
    assert (closed.gross, closed.net, closed.opened_by) == (None, None, None)
    assert closed.quantity == 1
    assert lots.open == []


def test_rule_16_older_import_mends_a_close_without_an_open() -> None:
    late = [option(5, -1, 2, position_effect="CLOSE"), option(1, 1, "1.5", position_effect="OPEN")]
    assert gross(match_lots(late)) == [50]


@pytest.mark.parametrize(("opened", "profit"), [(1, -150), (-1, 150)])
def test_expiration_of_unknown_side_closes_what_is_open(opened: int, profit: int) -> None:
    expired = option(2, 1, None, kind=ExecutionKind.EXPIRATION, is_side_known=False)
    lots = match_lots([option(1, opened, "1.5"), expired])
    assert gross(lots) == [profit]
    assert lots.closed[0].closed_kind is ExecutionKind.EXPIRATION
    assert lots.open == []


def test_settlement_of_a_spread_in_one_instant_nets_the_stock() -> None:
    """Short 14 call assigned, long 15 call exercised: the width shows in the P&L."""
    instant = {"at": AT + timedelta(days=40)}
    long_call = {"instrument": ADJUSTED, "multiplier": Decimal(100)}
    lots = match_lots(
        [
            option(1, -1, "0.79"),
            event(2, 1, "0.5", **long_call),
            event(6, -100, 14, kind=ExecutionKind.DELIVERY, position_effect="CLOSE", **instant),
            event(5, 100, 15, kind=ExecutionKind.DELIVERY, position_effect="OPEN", **instant),
            event(4, -1, 0, kind=ExecutionKind.EXERCISE, **long_call, **instant),
            option(3, 1, 0, kind=ExecutionKind.ASSIGNMENT, **instant),
        ]
    )
    profits = {closed.instrument: closed.gross for closed in lots.closed}
    assert profits == {CALL: 79, ADJUSTED: -50, STOCK: -100}
    assert lots.open == []


@pytest.mark.parametrize("twin_first", [True, False])
def test_twin_of_a_cash_settlement_closes_nothing(twin_first: bool) -> None:
    day = {"at": AT + timedelta(days=3)}
    cash = option(7, 2, "1.7", kind=ExecutionKind.CASH_SETTLEMENT, **day)
    twin = option(8, 2, 0, kind=ExecutionKind.ASSIGNMENT, **day)
    pair = [twin, cash] if twin_first else [cash, twin]
    lots = match_lots([option(1, -2, "1.2"), *pair])
    assert gross(lots) == [-100]
    assert lots.open == []


def test_removal_beyond_the_twins_is_real() -> None:
    day = {"at": AT + timedelta(days=3)}
    cash = option(7, 1, "1.7", kind=ExecutionKind.CASH_SETTLEMENT, **day)
    removals = [option(n, 1, 0, kind=ExecutionKind.ASSIGNMENT, **day) for n in (8, 9)]
    lots = match_lots([option(1, -2, "1.2"), cash, *removals])
    assert sorted(gross(lots), key=str) == [-50, 120]


def test_reverse_split_keeps_basis_dates_and_costs() -> None:
    """1 for 5: 100 at 12 become 20 at 60."""
    day = {"kind": ExecutionKind.SPLIT, "at": AT + timedelta(days=2)}
    lots = match_lots(
        [
            event(1, 100, 12, costs=Decimal(1)),
            event(2, -100, None, **day),
            event(3, 20, None, instrument=ADJUSTED, **day),
            event(4, -20, 61, instrument=ADJUSTED, at=AT + timedelta(days=3)),
        ]
    )
    (closed,) = lots.closed
    assert [closed.gross, closed.net] == [20, 19]
    assert closed.opened_at == AT + timedelta(minutes=1)
    assert lots.not_carried == []


def test_split_of_options_within_one_contract_changes_nothing() -> None:
    """Tastytrade's export: close 6 and open 6 of one symbol, for long and short legs."""
    day = {"kind": ExecutionKind.SPLIT, "at": AT + timedelta(days=2)}
    lots = match_lots(
        [
            option(1, -6, "1.08"),
            option(3, -6, None, position_effect="OPEN", **day),
            option(2, 6, None, position_effect="CLOSE", **day),
            option(4, 6, "0.63", at=AT + timedelta(days=5)),
        ]
    )
    assert gross(lots) == [Decimal(270)]


def test_split_of_lots_that_are_not_known_has_no_basis() -> None:
    day = {"kind": ExecutionKind.SPLIT, "at": AT}
    lots = match_lots(
        [
            event(1, -100, None, position_effect="CLOSE", **day),
            event(2, 20, None, position_effect="OPEN", **day),
            event(3, -20, 50),
        ]
    )
    assert gross(lots) == [None]
    assert [row.id for row in lots.not_carried] == [1]


def test_futures_settlement_and_currency_move_no_position() -> None:
    lots = match_lots(
        [
            event(1, 1, 10, kind=ExecutionKind.FUTURES_SETTLEMENT),
            event(2, -100, "1.08", kind=ExecutionKind.FX),
        ]
    )
    assert (lots.open, lots.closed) == ([], [])


fills = st.lists(
    st.tuples(
        st.integers(-9, 9).filter(bool),
        st.decimals("0.01", "999.99", places=2),
        st.decimals("0", "9.99", places=2),
        st.integers(0, 5),
    ),
    max_size=25,
)


def _events(rows: Iterable[tuple[int, Decimal, Decimal, int]]) -> list[PositionEvent]:
    return [
        event(n, quantity, price, costs=costs, at=AT + timedelta(seconds=second))
        for n, (quantity, price, costs, second) in enumerate(rows, start=1)
    ]


@given(fills, st.sampled_from(LotMethod), st.randoms(use_true_random=False))
def test_lots_add_up_in_any_order_of_arrival(
    rows: list[tuple[int, Decimal, Decimal, int]], method: LotMethod, random: Any
) -> None:
    """Quantities, costs and money are those of the fills, and the order of rows is no matter."""
    events = _events(rows)
    lots = match_lots(events, method)
    shuffled = list(events)
    random.shuffle(shuffled)
    again = match_lots(shuffled, method)
    assert (again.open, again.closed) == (lots.open, lots.closed)

    assert lots.quantity(STOCK) == sum(e.quantity for e in events)
    costs = sum((lot.costs for lot in lots.open), Decimal(0))
    costs += sum((closed.costs for closed in lots.closed), Decimal(0))
    assert abs(costs - sum((e.costs for e in events), Decimal(0))) < Decimal("1e-18")
    # Realised profit less the open lots' basis is the cash of all fills.
    realised = sum((closed.gross or Decimal(0) for closed in lots.closed), Decimal(0))
    basis = sum(((lot.price or Decimal(0)) * lot.quantity for lot in lots.open), Decimal(0))
    cash = -sum((e.quantity * (e.price or Decimal(0)) for e in events), Decimal(0))
    assert abs(realised - basis - cash) < Decimal("1e-18")
    # One position has one sign.
    assert len({lot.quantity > 0 for lot in lots.open}) <= 1
