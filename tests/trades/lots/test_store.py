"""Stored lots: what is computed step by step equals a rebuild, in any order of arrival."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from greeks.domain import Contract, InstrumentKind
from portfolio.domain import Broker, BrokerExecution, ExecutionKind, Side
from portfolio.models import Account
from tests.trades.files import account_at
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.lots.store import rebuild_lots
from trades.models import TradeLot

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
OLD, NEW, OTHER = (
    Contract(
        kind=InstrumentKind.STOCK,
        symbol=symbol,
        underlying=symbol,
        multiplier=Decimal(1),
        currency="USD",
    )
    for symbol in ("OLD", "NEW", "OTHER")
)
COLUMNS = (
    "instrument__symbol", "opened_by", "closed_by", "quantity", "open_price", "close_price",
    "open_costs", "close_costs", "gross", "net", "closed_kind",
)  # fmt: skip


def lots_of(account: Account) -> list[tuple[Any, ...]]:
    rows = TradeLot.objects.filter(account=account).values_list(*COLUMNS)
    return sorted(rows, key=str)


def fill(number: int, quantity: int, **changes: Any) -> BrokerExecution:
    values: dict[str, Any] = {
        "broker": Broker.IBKR,
        "account_number": "U1",
        "contract": OLD,
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


fills = st.lists(
    st.tuples(
        st.integers(-5, 5).filter(bool),
        st.sampled_from([OLD, NEW, OTHER]),
        st.sampled_from(["", "", "", "OPEN", "CLOSE"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


class IncrementalLots(TestCase):
    @settings(max_examples=25)
    @given(fills, st.integers(0, 8), st.randoms(use_true_random=False))
    def test_steps_in_any_order_equal_a_rebuild(
        self, rows: list[Any], split_at: int, random: Any
    ) -> None:
        account = account_at("IBKR", "U1")
        executions = []
        for number, (quantity, contract, effect, corrected) in enumerate(rows, start=1):
            row = fill(number, quantity, contract=contract, position_effect=effect)
            executions.append(row)
            if corrected:
                later: dict[str, Any] = {
                    "broker_execution_id": f"{number:04x}.01.02",
                    "price": Decimal(7),
                }
                executions.append(replace(row, **later))
        split = {"kind": ExecutionKind.SPLIT, "price": None, "commission": None}
        at = AT + timedelta(minutes=split_at, seconds=30)
        executions += [
            fill(90, -4, contract=OLD, execution_time=at, **split),
            fill(91, 2, contract=NEW, execution_time=at, **split),
        ]
        random.shuffle(executions)
        for row in executions:
            record(row)
        stepwise = lots_of(account)
        rebuild_lots(account)
        assert lots_of(account) == stepwise


@pytest.mark.django_db
def test_command_rebuilds_and_changes_nothing() -> None:
    account = account_at("IBKR", "U1")
    record(fill(1, 5), fill(2, -3), fill(3, -4))
    before = lots_of(account)
    TradeLot.objects.all().delete()
    out = StringIO()
    call_command("rebuild_trades", "--account", "U1", stdout=out)
    assert out.getvalue() == "U1: 3 lots, 2 trades, 3 contexts of fills\n"
    assert lots_of(account) == before
    with pytest.raises(CommandError, match="No account is named U404"):
        call_command("rebuild_trades", "--account", "U404")
