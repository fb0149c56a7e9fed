"""Rows of executions as recording reads and writes them: many at a time, without a model each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q

from config.core.rows.reading import read_rows
from trades.models import TradeExecution


@dataclass(slots=True, kw_only=True, eq=False)
class Fill:
    """A row of ``trade_executions``, by its columns. ``id`` is ``None`` until it is stored.

    ``raw_payload`` is empty for stored rows: it never changes.
    """

    id: int | None = None
    account_id: str
    broker: str
    broker_execution_id: str
    instrument_id: int
    symbol: str
    kind: str
    side: str = ""
    quantity: Decimal
    price: Decimal | None = None
    execution_time: datetime
    position_effect: str = ""
    order_id: str = ""
    currency: str
    commission: Decimal | None = None
    fees: Decimal | None = None
    value: Decimal | None = None
    net_value: Decimal | None = None
    broker_realized_pnl: Decimal | None = None
    transaction_id: str = ""
    trade_id: str = ""
    exec_root: str
    revision: int = 0
    superseded: bool = False
    cancelled_by: str = ""
    fingerprint: str
    source: str
    recorded_at: datetime
    updated_at: datetime
    raw_payload: Any = field(default_factory=dict)


_COLUMNS = tuple(each.name for each in fields(Fill))
_LOADED = _COLUMNS[:-1]
#: What is written of a new row, and of a stored one after its id.
INSERTED = _COLUMNS[1:]
UPDATED = (
    "id", "broker_execution_id", "exec_root", "revision", "kind", "side", "transaction_id",
    "trade_id", "order_id", "position_effect", "commission", "fees", "value", "net_value",
    "broker_realized_pnl", "price", "source", "superseded", "updated_at",
)  # fmt: skip


def load_fills(condition: Q) -> Iterator[Fill]:
    """Yield the stored rows, oldest first."""
    for row in sorted(read_rows(TradeExecution.objects.filter(condition).order_by(), _LOADED)):
        yield Fill(**dict(zip(_LOADED, row, strict=True)))
