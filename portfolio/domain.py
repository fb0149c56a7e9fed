"""What a broker adapter returns: frozen values without vendor types or sentinels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from greeks.domain import Contract


class Broker(StrEnum):
    """Broker names as stored."""

    IBKR = "IBKR"
    TASTY = "TASTY"


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAccount:
    """An account the credentials can read."""

    broker: Broker
    account_number: str
    label: str
    base_currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSummary:
    """Money in ``currency``. ``None`` if the broker did not say."""

    broker: Broker
    account_number: str
    currency: str
    source: str
    as_of: datetime
    net_liquidation: Decimal | None = None
    buying_power: Decimal | None = None
    excess_liquidity: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    cash: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    realized_pnl: Decimal | None = None
    # Units of base currency per unit of the key: the broker's own rates.
    fx_rates: Mapping[str, Decimal] | None = None
    raw: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPosition:
    """A holding. ``quantity`` is signed contracts or shares; ``average_price`` is per unit of the
    underlying (adapters divide a cost that includes the multiplier).

    ``sub_key`` separates rows of one contract in one account (IBKR model portfolios).
    """

    contract: Contract
    quantity: Decimal
    source: str
    as_of: datetime
    sub_key: str = ""
    average_price: Decimal | None = None
    price: Decimal | None = None
    market_value: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    realized_pnl: Decimal | None = None
    previous_close: Decimal | None = None
    raw: Mapping[str, Any] | None = None


class OrderStatus(StrEnum):
    PENDING = "pending"
    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLeg:
    contract: Contract
    side: Side
    quantity: Decimal
    remaining_quantity: Decimal | None = None
    position_effect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """An order of the day. ``limit_price`` is signed for spreads: positive is a debit."""

    broker_order_id: str
    status: OrderStatus
    order_type: str
    time_in_force: str
    legs: tuple[OrderLeg, ...]
    source: str
    as_of: datetime
    quantity: Decimal | None = None
    filled_quantity: Decimal | None = None
    limit_price: Decimal | None = None
    description: str = ""
    placed_at: datetime | None = None
    updated_at: datetime | None = None
    raw: Mapping[str, Any] | None = None


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
class BrokerExecution:
    """One fill, or another row that changes a position (or, for some kinds, only cash).

    Identity is the first of ``broker_execution_id``, ``transaction_id`` and ``trade_id`` that is
    given; a row without any (exports) is one of a multiset of equal rows. ``quantity`` is positive
    contracts or shares. ``side`` is ``None`` where the broker does not say which side it removed
    (Tastytrade's expirations): the open lots tell. ``price`` is per unit of the underlying,
    ``None`` for lots that only move. ``value`` and ``net_value`` are the broker's cash before and
    after costs, a credit positive. Costs are positive where they were paid; ``commission`` is
    ``None`` until the broker reports it.
    """

    broker: Broker
    account_number: str
    contract: Contract
    quantity: Decimal
    execution_time: datetime | None
    source: str
    kind: ExecutionKind = ExecutionKind.TRADE
    side: Side | None = None
    price: Decimal | None = None
    broker_execution_id: str = ""
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


#: What a broker's history holds.
AccountEvent = BrokerExecution | ExecutionCancel | CashMovement
