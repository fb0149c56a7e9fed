"""Fake broker answers at the Protocol's edge: the book of a test, scripted step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from config.core.clock import market_now
from greeks.domain import (
    Contract,
    Fetched,
    Greeks,
    InstrumentKind,
    Quote,
    RejectedRow,
    Right,
    Snapshot,
)
from portfolio.domain import (
    AccountEvent,
    AccountSummary,
    Broker,
    BrokerAccount,
    BrokerOrder,
    BrokerPosition,
    OrderLeg,
    OrderStatus,
    Side,
)

SPOT = Decimal(600)


def stock(symbol: str = "SPY", **changes: Any) -> Contract:
    values: dict[str, Any] = {
        "kind": InstrumentKind.STOCK,
        "symbol": symbol,
        "underlying": symbol,
        "multiplier": Decimal(1),
        "currency": "USD",
        "aliases": {"ibkr": f"stock-{symbol}"},
    }
    return Contract(**(values | changes))


def option(
    strike: int = 600, right: Right = Right.CALL, underlying: str = "SPY", **changes: Any
) -> Contract:
    expiry = changes.pop("expiry", date.today() + timedelta(days=45))  # noqa: DTZ011
    values: dict[str, Any] = {
        "kind": InstrumentKind.OPTION,
        "symbol": f"{underlying:<6}{expiry:%y%m%d}{right.value}{strike * 1000:08d}",
        "underlying": underlying,
        "root": underlying,
        "multiplier": Decimal(100),
        "currency": "USD",
        "expiry": expiry,
        "strike": Decimal(strike),
        "right": right,
        "aliases": {"ibkr": f"{underlying}-{expiry:%y%m%d}{right.value}{strike}"},
    }
    return Contract(**(values | changes))


def position(contract: Contract, quantity: int | Decimal = 1, **changes: Any) -> BrokerPosition:
    values: dict[str, Any] = {
        "contract": contract,
        "quantity": Decimal(quantity),
        "source": "ibkr",
        "as_of": market_now(),
        "average_price": Decimal("10"),
        "price": Decimal("12"),
        "raw": {"conid": contract.aliases.get("ibkr", "")},
    }
    return BrokerPosition(**(values | changes))


def order(identifier: str = "1", contract: Contract | None = None, **changes: Any) -> BrokerOrder:
    values: dict[str, Any] = {
        "broker_order_id": identifier,
        "status": OrderStatus.WORKING,
        "order_type": "LMT",
        "time_in_force": "DAY",
        "legs": (OrderLeg(contract=contract or option(), side=Side.SELL, quantity=Decimal(1)),),
        "source": "ibkr",
        "as_of": market_now(),
        "quantity": Decimal(1),
        "limit_price": Decimal("12.5"),
    }
    return BrokerOrder(**(values | changes))


def greeks(contract: Contract, *, source: str = "ibkr", **changes: Any) -> Greeks:
    values: dict[str, Any] = {
        "source": source,
        "as_of": market_now(),
        "delta": 0.5 if contract.right is Right.CALL else -0.5,
        "gamma": 0.01,
        "theta": -0.1,
        "vega": 0.8,
        "implied_volatility": 0.2,
        "underlying_price": float(SPOT),
    }
    return Greeks(**(values | changes))


def quote(contract: Contract, *, source: str = "ibkr", **changes: Any) -> Quote:
    price = SPOT if not contract.is_option else Decimal("12")
    # Bid and ask lie around a possible mark.
    around = mark if 0 < (mark := changes.get("mark") or price) < 10**9 else price
    values: dict[str, Any] = {
        "contract": contract,
        "source": source,
        "as_of": market_now(),
        "bid": around - Decimal("0.1"),
        "ask": around + Decimal("0.1"),
        "mark": price,
        "opening_price": price - 1,
        "previous_close": price - 2,
        "volume": 100,
        "open_interest": 1000,
    }
    return Quote(**(values | changes))


def rejected(kind: str = "position", reason: str = "quantity: NaN", **payload: Any) -> RejectedRow:
    return RejectedRow(kind=kind, reason=reason, payload=payload)


@dataclass
class FakeBroker:
    """What the fake adapter answers. A value that is an exception is raised."""

    broker: Broker = Broker.IBKR
    source: str = "ibkr"
    positions: Any = ()
    bad_positions: Sequence[RejectedRow] = ()
    orders: Any = ()
    bad_orders: Sequence[RejectedRow] = ()
    summary: Any = field(default_factory=dict)
    #: Contract → Snapshot, or ``None`` when the broker knows nothing of it.
    snapshot: Callable[[Contract], Snapshot | None] | Exception | None = None
    before: Callable[[str], object] = lambda _: None
    calls: list[str] = field(default_factory=list)
    asked: list[Contract] = field(default_factory=list)
    opened: int = 0
    closed: int = 0


class FakeAdapter:
    """A ``BrokerAdapter`` that answers from a ``FakeBroker``."""

    def __init__(self, script: FakeBroker) -> None:
        self._script = script
        self.broker = script.broker
        self.source = script.source
        script.opened += 1

    def _answer(self, step: str, value: Any) -> Any:
        self._script.calls.append(step)
        self._script.before(step)
        if isinstance(value, Exception):
            raise value
        return value

    def fetch_accounts(self) -> Fetched[BrokerAccount]:
        return self._fetched((), ())

    def fetch_account_summary(self, account_number: str) -> AccountSummary:
        changes = self._answer("summary", self._script.summary)
        values: dict[str, Any] = {
            "broker": self.broker,
            "account_number": account_number,
            "currency": "USD",
            "source": self.source,
            "as_of": market_now(),
            "net_liquidation": Decimal(100_000),
            "buying_power": Decimal(300_000),
            "excess_liquidity": Decimal(80_000),
            "initial_margin": Decimal(25_000),
            "maintenance_margin": Decimal(20_000),
            "cash": Decimal(40_000),
            "unrealized_pnl": Decimal(500),
            "realized_pnl": Decimal(50),
        }
        return AccountSummary(**(values | changes))

    def fetch_positions(self, account_number: str) -> Fetched[BrokerPosition]:
        items = self._answer("positions", self._script.positions)
        return self._fetched(items, self._script.bad_positions)

    def fetch_open_orders(self, account_number: str) -> Fetched[BrokerOrder]:
        items = self._answer("orders", self._script.orders)
        return self._fetched(items, self._script.bad_orders)

    def fetch_executions(self, account_number: str, *, since: datetime) -> Fetched[AccountEvent]:
        return self._fetched((), ())

    def fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        answer = self._answer("snapshots", self._script.snapshot)
        self._script.asked += contracts
        found = []
        for contract in contracts:
            snapshot = self._default(contract) if answer is None else answer(contract)
            if snapshot is not None:
                found.append(snapshot)
        return self._fetched(found, ())

    def _default(self, contract: Contract) -> Snapshot:
        return Snapshot(
            contract=contract,
            quote=quote(contract, source=self.source),
            greeks=greeks(contract, source=self.source) if contract.is_option else None,
        )

    def _fetched(self, items: Sequence[Any], bad: Sequence[RejectedRow]) -> Fetched[Any]:
        return Fetched(
            items=tuple(items), rejected=tuple(bad), source=self.source, as_of=market_now()
        )

    def close(self) -> None:
        self._script.closed += 1


EMPTY_SUMMARY = {
    "net_liquidation": Decimal(100_000),
    "cash": Decimal(100_000),
    "maintenance_margin": Decimal(0),
    "initial_margin": Decimal(0),
}
