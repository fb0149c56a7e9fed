"""Orders and trades of the portal: each is read in full, or rejected by the name of its field."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from config.core.clock import now
from greeks.domain import Contract, InstrumentKind
from greeks.providers.decoding import BadRow
from portfolio.brokers.ibkr_portal.orders import decode_execution, decode_order
from portfolio.domain import OrderStatus, Side
from tests.portfolio.brokers.ibkr_portal.ibkr_portal_support import (
    ACCOUNT,
    AT,
    OPTION,
    UNSET,
    answering,
    option_row,
    order_row,
    trade_row,
    without,
)


def read_order(**changes: Any) -> Any:
    other = Contract(
        kind=InstrumentKind.STOCK,
        symbol="SPY",
        underlying="SPY",
        multiplier=Decimal(1),
        currency="USD",
    )
    known = {"653556783": OPTION, "756733": other}
    return decode_order(order_row(**changes), known, received_at=AT)


@pytest.mark.parametrize(
    ("sent", "filled", "expected"),
    [
        ("PendingSubmit", 0.0, OrderStatus.PENDING),
        ("PreSubmitted", 0.0, OrderStatus.WORKING),
        ("Submitted", 0.0, OrderStatus.WORKING),
        ("Submitted", 2.0, OrderStatus.PARTIALLY_FILLED),
        ("PendingCancel", 0.0, OrderStatus.WORKING),
        ("Filled", 5.0, OrderStatus.FILLED),
        ("Cancelled", 2.0, OrderStatus.CANCELLED),
        ("Inactive", 0.0, OrderStatus.INACTIVE),
        ("Rejected", 0.0, OrderStatus.REJECTED),
    ],
)
def test_status_is_mapped_by_one_table(sent: str, filled: float, expected: OrderStatus) -> None:
    assert read_order(status=sent, filledQuantity=filled).status is expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("B", Side.BUY),
        ("BOT", Side.BUY),
        ("BUY", Side.BUY),
        ("S", Side.SELL),
        ("SLD", Side.SELL),
        ("sell", Side.SELL),
    ],
)
def test_every_way_of_saying_the_side_is_read(sent: str, expected: Side) -> None:
    assert read_order(side=sent).legs[0].side is expected


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"status": "Dreaming"}, "status"),
        ({"status": None}, "status"),
        ({"side": "HOLD"}, "side"),
        ({"orderId": None}, "orderId"),
        ({"orderId": "x" * 100}, "orderId"),
        ({"totalSize": float("nan"), "filledQuantity": None}, "totalSize"),
        ({"totalSize": -5.0}, "totalSize"),
        ({"conid": 42, "conidex": "42"}, "conid: 42"),
        ({"price": "a lot"}, "price"),
        ({"conidex": "28812380;;;653556783/0"}, "conidex"),
        ({"lastExecutionTime": "yesterday"}, "lastExecutionTime"),
        ({"lastExecutionTime_r": 5}, "lastExecutionTime_r"),
    ],
)
def test_bad_order_is_rejected_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRow, match=named):
        read_order(**changes)


def test_combination_has_its_legs_and_a_signed_limit() -> None:
    legs = {"conidex": "28812380;;;653556783/-1,756733/100", "conid": 28812380, "secType": "BAG"}
    bought, sold = read_order(**legs), read_order(**legs, side="SELL")
    assert [(leg.side, leg.quantity) for leg in bought.legs] == [
        (Side.SELL, Decimal(5)),
        (Side.BUY, Decimal(500)),
    ]
    assert [leg.side for leg in sold.legs] == [Side.BUY, Side.SELL]
    assert (bought.limit_price, sold.limit_price) == (Decimal("1.25"), Decimal("-1.25"))


def read_trade(**changes: Any) -> Any:
    return decode_execution(trade_row(**changes), {"653556783": OPTION}, account_number=ACCOUNT)


def test_trade_of_the_documentation_is_read_in_full() -> None:
    execution = read_trade()
    assert (execution.side, execution.quantity, execution.price) == (
        Side.SELL,
        Decimal(5),
        Decimal("192.26"),
    )
    assert execution.commission == Decimal("1.01")
    assert execution.execution_time == datetime(2023, 12, 11, 18, 0, 49, tzinfo=UTC)
    assert read_trade(trade_time_r=None).execution_time == execution.execution_time


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"execution_id": None}, "execution_id"),
        ({"execution_id": "e" * 100}, "execution_id"),
        ({"execution_id": "a\x00b"}, "execution_id"),
        ({"size": -5.0}, "size"),
        ({"size": 0}, "size"),
        ({"size": float("inf")}, "size"),
        ({"price": None}, "price"),
        ({"price": "-3"}, "price"),
        ({"price": UNSET}, "price"),
        ({"price": 1e20}, "price"),
        ({"side": None}, "side"),
        ({"commission": {}}, "commission"),
        ({"trade_time": "noon", "trade_time_r": None}, "trade_time"),
        ({"trade_time_r": 1702317649}, "trade_time_r"),
        ({"conid": 42}, "conid: 42"),
    ],
)
def test_bad_trade_is_rejected_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRow, match=named):
        read_trade(**changes)


def test_other_accounts_rows_are_left_out_and_nameless_ones_rejected() -> None:
    rows = [trade_row(), trade_row(account="U7"), without(trade_row(), "account"), "noise"]
    definition = option_row(contractDesc=None, fullName=option_row()["contractDesc"])
    bridge = answering({"/iserver/account/trades": rows, "/trsrv/secdef": {"secdef": [definition]}})
    fetched = bridge.fetch_executions(ACCOUNT, since=now())
    assert [item.broker_execution_id for item in fetched.items] == ["0000e0d5.6576fd38.01.01"]
    assert sorted(row.reason for row in fetched.rejected) == [
        "'noise' is not an object",
        "account: missing",
    ]
