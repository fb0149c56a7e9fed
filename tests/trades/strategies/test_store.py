"""Stored trades: computed step by step they equal a rebuild, in any order of arrival."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from greeks.domain import Contract, InstrumentKind, Right
from portfolio.domain import Broker, BrokerExecution, ExecutionKind, Side
from portfolio.models import Account
from tests.trades.files import account_at
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.lots.store import rebuild_lots
from trades.models import Trade, TradeFill, TradeLeg, TradeLot, TradeRoll
from trades.strategies.store import rebuild_account_trades

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)


def option(strike: int, *, right: Right = Right.PUT, underlying: str = "XYZ") -> Contract:
    return Contract(
        kind=InstrumentKind.OPTION,
        symbol=f"{underlying:<6}260116{right}{strike * 1000:08d}",
        underlying=underlying,
        multiplier=Decimal(100),
        currency="USD",
        expiry=date(2026, 1, 16),
        strike=Decimal(strike),
        right=right,
    )


def stock(symbol: str) -> Contract:
    return Contract(
        kind=InstrumentKind.STOCK,
        symbol=symbol,
        underlying=symbol,
        multiplier=Decimal(1),
        currency="USD",
    )


CONTRACTS = [option(90), option(95), option(110, right=Right.CALL), stock("XYZ"), stock("NEW")]


def fill(number: int, quantity: int, **changes: Any) -> BrokerExecution:
    values: dict[str, Any] = {
        "broker": Broker.IBKR,
        "account_number": "U1",
        "contract": CONTRACTS[0],
        "side": Side.BUY if quantity > 0 else Side.SELL,
        "quantity": Decimal(abs(quantity)),
        "price": Decimal(10 + number),
        "commission": Decimal("1.01"),
        "execution_time": AT + timedelta(minutes=number),
        "source": "ibkr",
        "broker_execution_id": f"{number:04x}.01.01",
    }
    return BrokerExecution(**(values | changes))


def record(*rows: BrokerExecution) -> None:
    record_rows(JournalRows(executions=Executions(rows)), broker=Broker.IBKR, source="ibkr")


def trades_of(account: Account) -> list[Any]:
    """Return all that is stored of trades, without ids that run on."""
    own = {"trade__account": account}
    return [
        *Trade.objects.filter(account=account).order_by("opening").values(),
        *sorted(map(str, TradeLeg.objects.filter(**own).order_by().values_list(*LEG))),
        *sorted(map(str, TradeFill.objects.filter(**own).order_by().values_list(*FILL))),
        *sorted(map(str, TradeRoll.objects.filter(account=account).values_list(*ROLL))),
    ]


LEG = (
    "trade", "instrument", "quantity", "open_quantity", "opened_at", "closed_at", "closed_kind",
    "open_price", "close_price", "costs", "gross", "net",
)  # fmt: skip
FILL = ("trade", "execution", "role", "quantity")
ROLL = ("opened_by", "closed_by", "rolled_to", "quantity", "inferred")

events = st.lists(
    st.tuples(
        st.integers(-3, 3).filter(bool),
        st.sampled_from(CONTRACTS),
        st.sampled_from(["", "", "OPEN", "CLOSE"]),
        st.sampled_from(["", "a", "b", "c"]),
        st.sampled_from(
            [ExecutionKind.TRADE] * 5 + [ExecutionKind.ASSIGNMENT, ExecutionKind.DELIVERY]
        ),
        st.booleans(),
    ),
    min_size=1,
    max_size=9,
)


class IncrementalTrades(TestCase):
    @settings(max_examples=30)
    @given(events, st.integers(0, 9), st.randoms(use_true_random=False))
    def test_steps_in_any_order_equal_a_rebuild(
        self, rows: list[Any], moved_at: int, random: Any
    ) -> None:
        account = account_at("IBKR", "U1")
        executions = []
        for number, (quantity, contract, effect, order, kind, corrected) in enumerate(rows, 1):
            row = fill(
                number,
                quantity,
                contract=contract,
                position_effect=effect,
                order_id=order,
                kind=kind,
            )
            executions.append(row)
            if corrected:
                later: dict[str, Any] = {
                    "broker_execution_id": f"{number:04x}.01.02",
                    "price": Decimal(7),
                }
                executions.append(replace(row, **later))
        change: dict[str, Any] = {
            "kind": ExecutionKind.SYMBOL_CHANGE,
            "price": None,
            "commission": None,
            "execution_time": AT + timedelta(minutes=moved_at, seconds=30),
        }
        executions += [
            fill(90, -2, contract=stock("XYZ"), **change),
            fill(91, 2, contract=stock("NEW"), **change),
        ]
        random.shuffle(executions)
        for row in executions:
            record(row)
        stepwise = trades_of(account)
        rebuild_lots(account)
        rebuild_account_trades(account)
        assert trades_of(account) == stepwise
        closed = TradeLot.objects.filter(account=account, closed_at__isnull=False)
        lots = sum((lot.net for lot in closed if lot.net is not None), Decimal(0))
        if not closed.filter(net=None).exists():
            assert lots == sum((trade.net or 0 for trade in Trade.objects.all()), Decimal(0))


@pytest.mark.django_db
def test_correction_keeps_the_trade_and_its_key() -> None:
    account = account_at("IBKR", "U1")
    record(fill(1, -1, order_id="o1"))
    key = Trade.objects.get().key
    record(fill(1, -2, order_id="o1", broker_execution_id="0001.01.02"))
    trade = Trade.objects.get(account=account)
    assert (trade.key, trade.quantity, trade.name) == (key, 2, "Short put")
    assert trade.fills.get().execution_id != key


@pytest.mark.django_db
def test_trade_has_the_numbers_of_its_lots() -> None:
    account = account_at("IBKR", "U1")
    record(
        fill(1, -2, order_id="o1", price=Decimal(3)),
        fill(1, 2, order_id="o1", price=Decimal(1), contract=CONTRACTS[1],
             broker_execution_id="0002.01.01"),
        fill(5, 2, order_id="o2", price=Decimal("1.5")),
    )  # fmt: skip
    trade = Trade.objects.get(account=account)
    assert (trade.name, trade.status, trade.open_name) == ("Put debit spread", "open", "Long put")
    assert (trade.premium, trade.gross, trade.net) == (400, 300, Decimal("297.98"))
    assert (trade.costs, trade.quantity) == (Decimal("3.03"), 2)
    legs = {leg.quantity: leg for leg in trade.legs.all()}
    assert (legs[-2].open_quantity, legs[-2].close_price, legs[-2].closed_kind) == (
        0, Decimal("1.5"), "trade",
    )  # fmt: skip
    assert (legs[2].open_quantity, legs[2].net) == (2, None)


@pytest.mark.django_db
def test_close_of_unknown_basis_is_a_trade_without_a_number() -> None:
    account = account_at("IBKR", "U1")
    record(fill(5, 2, position_effect="CLOSE"))
    trade = Trade.objects.get(account=account)
    assert (trade.net, trade.gross, trade.opened_at, trade.unknown_closes) == (None, None, None, 1)
    record(fill(1, -2))
    assert Trade.objects.get(account=account).unknown_closes == 0


@pytest.mark.django_db
def test_one_order_number_throughout_a_file_is_no_order() -> None:
    account = account_at("IBKR", "U1")
    record(
        fill(1, -1, order_id="x"),
        fill(5, 1, order_id="x"),
        fill(9, -1, order_id="x", contract=option(120)),
    )
    assert Trade.objects.filter(account=account).count() == 2


@pytest.mark.django_db
def test_underlyings_are_grouped_apart_however_many_are_recorded_at_once() -> None:
    """Two puts of one session are no spread, and shares of one cover no call of another."""
    account = account_at("IBKR", "U1")
    rows = [
        fill(1, -1, contract=option(90), order_id="1"),
        fill(2, 1, contract=option(85, underlying="ABC"), order_id="2"),
        fill(3, 100, contract=stock("DEF"), order_id="3"),
        fill(4, -1, contract=option(110, right=Right.CALL, underlying="GHI"), order_id="4"),
    ]
    record(*rows)
    at_once = trades_of(account)
    assert [trade.name for trade in Trade.objects.order_by("opened_at")] == [
        "Short put", "Long put", "Long stock", "Short call",
    ]  # fmt: skip
    rebuild_account_trades(account)
    assert trades_of(account) == at_once
