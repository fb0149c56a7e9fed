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


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerExecution:
    """One fill. ``commission`` is ``None`` until the broker reports it."""

    broker: Broker
    account_number: str
    broker_execution_id: str
    contract: Contract
    side: Side
    quantity: Decimal
    price: Decimal
    execution_time: datetime | None
    source: str
    commission: Decimal | None = None
    fees: Decimal | None = None
    order_id: str = ""
    position_effect: str = ""
    raw: Mapping[str, Any] | None = None
