"""A row that is not stored yet, as it will be."""

from __future__ import annotations

from datetime import datetime

from greeks.providers.decoding import storable
from portfolio.domain import Broker
from trades.executions.fills import Fill
from trades.executions.identity import root_and_revision
from trades.executions.matching import Incoming


def new_fill(item: Incoming, broker: Broker, at: datetime) -> Fill:
    """Return the row of an incoming one that is not stored, recorded at ``at``."""
    row = item.row
    root, revision = root_and_revision(broker, item.stored_id)
    return Fill(
        account_id=item.account_id,
        broker=broker.value,
        broker_execution_id=item.stored_id,
        instrument_id=item.instrument_id,
        symbol=item.contract.symbol,
        kind=row.kind.value,
        side=row.side.value if row.side else "",
        quantity=row.quantity,
        price=row.price,
        execution_time=item.at,
        position_effect=row.position_effect,
        order_id=row.order_id,
        currency=item.contract.currency,
        commission=row.commission,
        fees=row.fees,
        value=row.value,
        net_value=row.net_value,
        broker_realized_pnl=row.broker_realized_pnl,
        transaction_id=row.transaction_id,
        trade_id=row.trade_id,
        exec_root=root,
        revision=revision,
        fingerprint=item.mark,
        source=row.source,
        raw_payload=storable(row.raw or {}),
        recorded_at=at,
        updated_at=at,
    )
