"""A short put that expires, as IBKR tells of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from greeks.domain import Contract, InstrumentKind, Right
from portfolio.domain import Broker, BrokerExecution, ExecutionKind, Side
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows

#: 16:00 in New York.
EXPIRY = datetime(2026, 1, 16, 21, 0, tzinfo=UTC)
SOLD = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
PUT = Contract(
    kind=InstrumentKind.OPTION,
    symbol="XYZ   260116P00090000",
    underlying="XYZ",
    multiplier=Decimal(100),
    currency="USD",
    expiry=date(2026, 1, 16),
    strike=Decimal(90),
    right=Right.PUT,
)
STOCK = Contract(
    kind=InstrumentKind.STOCK,
    symbol="XYZ",
    underlying="XYZ",
    multiplier=Decimal(1),
    currency="USD",
)


def fill(number: int, quantity: int, **changes: Any) -> BrokerExecution:
    values: dict[str, Any] = {
        "broker": Broker.IBKR,
        "account_number": "U1",
        "contract": PUT,
        "side": Side.BUY if quantity > 0 else Side.SELL,
        "quantity": Decimal(abs(quantity)),
        "price": Decimal("1.5"),
        "commission": Decimal("1.3"),
        "execution_time": SOLD + timedelta(minutes=number),
        "source": "ibkr",
        "broker_execution_id": f"{number:04x}.01.01",
    }
    return BrokerExecution(**(values | changes))


def ended(number: int, quantity: int, kind: ExecutionKind, **changes: Any) -> BrokerExecution:
    settled: dict[str, Any] = {
        "kind": kind,
        "price": Decimal(0),
        "commission": None,
        "execution_time": EXPIRY - timedelta(minutes=40),
        "position_effect": "CLOSE",
    }
    return fill(number, quantity, **(settled | changes))


def record(*rows: BrokerExecution) -> None:
    record_rows(JournalRows(executions=Executions(rows)), broker=Broker.IBKR, source="ibkr")
