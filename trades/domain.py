"""What the journal records: fills and the other events that change a position, and cash.

Amounts are Decimal, times aware and in UTC, missing is ``None``. Costs (commission, fees) are
positive where they were paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from greeks.domain import Contract
from portfolio.domain import Broker, Side


class ExecutionKind(StrEnum):
    """What a row is. Only a trade is a fill in statistics."""

    TRADE = "trade"
    EXPIRATION = "expiration"
    ASSIGNMENT = "assignment"
    EXERCISE = "exercise"
    CASH_SETTLEMENT = "cash_settlement"
    #: The shares or the future that an assignment or exercise moves.
    DELIVERY = "delivery"
    SPLIT = "split"
    SYMBOL_CHANGE = "symbol_change"
    MERGER = "merger"
    TRANSFER = "transfer"
    DIVIDEND_REINVESTMENT = "dividend_reinvestment"
    FUTURES_SETTLEMENT = "futures_settlement"
    FX = "fx"


#: Lots move with basis and date: no profit, no trade, no roll.
CARRIES_LOTS = frozenset(
    {
        ExecutionKind.SPLIT,
        ExecutionKind.SYMBOL_CHANGE,
        ExecutionKind.MERGER,
        ExecutionKind.TRANSFER,
    }
)
#: Cash only: the position stays.
MOVES_NO_POSITION = frozenset({ExecutionKind.FUTURES_SETTLEMENT, ExecutionKind.FX})


class CashKind(StrEnum):
    """What moved cash outside a fill. External flows (deposits, withdrawals) are no return."""

    EXTERNAL_FLOW = "external_flow"
    INTEREST = "interest"
    DIVIDEND = "dividend"
    FEE = "fee"
    TAX = "tax"
    LENDING = "lending"
    #: The daily settlement of futures: their profit is counted by price when they close.
    FUTURES_SETTLEMENT = "futures_settlement"
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalExecution:
    """One row that changes a position (or, for some kinds, only cash).

    Identity is the first of ``execution_id``, ``transaction_id`` and ``trade_id`` that is given. A
    row without any (exports to CSV) is matched as one of a multiset of equal rows. ``quantity`` is
    positive contracts or shares. ``side`` is ``None`` where the broker does not say which side it
    removed (Tastytrade's expirations): the open lots tell. ``price`` is per unit of the underlying.
    ``value`` and ``net_value`` are the broker's own cash amounts before and after costs.
    """

    broker: Broker
    account_number: str
    kind: ExecutionKind
    contract: Contract
    quantity: Decimal
    execution_time: datetime
    source: str
    side: Side | None = None
    price: Decimal | None = None
    execution_id: str = ""
    transaction_id: str = ""
    trade_id: str = ""
    order_id: str = ""
    #: ``OPEN``, ``CLOSE`` or empty.
    position_effect: str = ""
    commission: Decimal | None = None
    fees: Decimal | None = None
    value: Decimal | None = None
    net_value: Decimal | None = None
    broker_realized_pnl: Decimal | None = None
    raw: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionCancel:
    """A broker's cancel of a row it sent before, named by its transaction or trade."""

    broker: Broker
    account_number: str
    cancel_id: str
    cancelled_at: datetime
    source: str
    transaction_id: str = ""
    trade_id: str = ""
    raw: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CashMovement:
    """Cash in or out outside a fill; a credit is positive."""

    broker: Broker
    account_number: str
    kind: CashKind
    amount: Decimal
    currency: str
    moved_at: datetime
    source: str
    #: Empty in exports without ids: then one of a multiset of equal rows.
    movement_id: str = ""
    symbol: str = ""
    description: str = ""
    raw: Mapping[str, Any] | None = None
