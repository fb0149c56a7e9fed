"""A future with its months is one underlying of trades: options on it roll from month to month."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from greeks.domain import Contract, InstrumentKind, Right
from portfolio.domain import Broker, BrokerExecution, Side
from tests.trades.files import account_at
from trades.executions.rows import JournalRows
from trades.executions.store import record_rows
from trades.journal.reading import ExecutionFilter, executions_of, results_by_contract
from trades.models import Trade, TradeRoll

pytestmark = pytest.mark.django_db
AT = datetime(2026, 12, 7, 15, tzinfo=UTC)
MARCH = Contract(
    kind=InstrumentKind.FUTURE_OPTION, symbol="./MESH7EX4H7 270226P5000", underlying="/MESH7",
    root="EX4H7", multiplier=Decimal(5), currency="USD", expiry=date(2027, 2, 26),
    strike=Decimal(5000), right=Right.PUT,
)  # fmt: skip
JUNE = replace(
    MARCH, symbol="./MESM7EX4K7 270528P5000", underlying="/MESM7", root="EX4K7",
    expiry=date(2027, 5, 28),
)  # fmt: skip


def test_option_rolled_to_the_next_month_of_its_future_is_one_chain() -> None:
    account = account_at("TASTY", "1")
    rows = JournalRows()
    for number, (contract, side) in enumerate(
        ((MARCH, Side.SELL), (MARCH, Side.BUY), (JUNE, Side.SELL)), start=1
    ):
        # The second and the third fill are one order.
        rows.executions.append(
            BrokerExecution(
                broker=Broker.TASTY,
                account_number="1",
                contract=contract,
                side=side,
                quantity=Decimal(1),
                price=Decimal(10 * number),
                source="tastytrade",
                execution_time=AT + timedelta(days=number // 2),
                order_id=str(number // 2),
                broker_execution_id=str(number),
            )
        )
    record_rows(rows, broker=Broker.TASTY, source="tastytrade")

    assert set(Trade.objects.values_list("underlying", flat=True)) == {"/MES"}
    assert TradeRoll.objects.get().underlying == "/MES"
    assert Trade.objects.values("chain").distinct().count() == 1
    counts = {
        name: (
            len(executions_of([account], ExecutionFilter(underlying=name))[0]),
            len(results_by_contract([account], underlying=name)),
        )
        for name in ("/MES", "/MESH7", "/ME", "MES")
    }
    assert counts == {"/MES": (3, 2), "/MESH7": (2, 1), "/ME": (0, 0), "MES": (0, 0)}
