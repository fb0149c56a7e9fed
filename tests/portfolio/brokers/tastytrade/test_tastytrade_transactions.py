"""Transactions of Tastytrade: fills, removals, cash and cancels, to the last page."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from config.core.errors import MalformedResponse
from greeks.providers.decoding import BadRow
from portfolio.brokers.tastytrade.transaction_kinds import cash_kind, execution_kind
from portfolio.domain import CashKind, CashMovement, ExecutionCancel, ExecutionKind, Side
from tests.portfolio.brokers.tastytrade.tastytrade_support import (
    ACCOUNT,
    FILL,
    SINCE,
    answering,
    items,
)
from tests.portfolio.fills import fills


@pytest.mark.parametrize(
    ("sub_type", "expected"),
    [
        ("Assignment", (Side.BUY, ExecutionKind.ASSIGNMENT)),
        ("Exercise", (Side.SELL, ExecutionKind.EXERCISE)),
        ("Cash Settled Assignment", (Side.BUY, ExecutionKind.CASH_SETTLEMENT)),
        ("Cash Settled Exercise", (Side.SELL, ExecutionKind.CASH_SETTLEMENT)),
    ],
)
def test_removal_without_action_and_side_follows_from_what_happened(
    sub_type: str, expected: tuple[Side, ExecutionKind]
) -> None:
    row = FILL | {
        "symbol": "SPX   270115P06000000",
        "instrument-type": "Equity Option",
        "transaction-type": "Receive Deliver",
        "transaction-sub-type": sub_type,
        "action": None,
        "price": None,
        "quantity": "2.0",
        "value": "2500.0",
        "value-effect": "Debit",
    }
    [fill] = fills(answering(items(row)).fetch_executions(ACCOUNT, since=SINCE).items)
    assert (fill.side, fill.kind) == expected
    assert (fill.price, fill.position_effect) == (Decimal("12.5"), "CLOSE")


def test_strike_of_a_cash_settlement_is_no_price() -> None:
    row = FILL | {
        "symbol": "XSP   260730P00744000",
        "instrument-type": "Equity Option",
        "transaction-type": "Receive Deliver",
        "transaction-sub-type": "Cash Settled Assignment",
        "action": None,
        "price": "744.0",
        "quantity": "2.0",
        "value": "48.0",
        "value-effect": "Debit",
    }
    [fill] = fills(answering(items(row)).fetch_executions(ACCOUNT, since=SINCE).items)
    assert (fill.price, fill.value) == (Decimal("0.24"), Decimal(-48))


def test_side_of_an_expiration_is_not_known() -> None:
    row = {key: value for key, value in FILL.items() if key not in ("action", "price")} | {
        "transaction-type": "Receive Deliver",
        "transaction-sub-type": "Expiration",
        "value": "0.0",
    }
    [fill] = fills(answering(items(row)).fetch_executions(ACCOUNT, since=SINCE).items)
    assert (fill.side, fill.kind) == (None, ExecutionKind.EXPIRATION)


def test_rebate_and_cost_is_negative() -> None:
    row = FILL | {
        "commission": "0.0",
        "commission-effect": "None",
        "regulatory-fees": "0.3",
        "regulatory-fees-effect": "Debit",
        "clearing-fees": "0.1",
        "clearing-fees-effect": "Credit",
    }
    [fill] = fills(answering(items(row)).fetch_executions(ACCOUNT, since=SINCE).items)
    assert (fill.commission, fill.fees) == (Decimal(0), Decimal("0.2"))


@pytest.mark.parametrize(
    ("sub_type", "description", "kind"),
    [
        ("Dividend", "INVESCO EXCHANGE TRADED FD TR", CashKind.DIVIDEND),
        ("Deposit", "ACH DEPOSIT", CashKind.EXTERNAL_FLOW),
        ("Deposit", "INTEREST ON CREDIT BALANCE", CashKind.INTEREST),
        ("Withdrawal", "FROM 12/16 THRU 01/15 @ 8    %", CashKind.INTEREST),
        ("Balance Adjustment", "Regulatory fee adjustment", CashKind.FEE),
        ("Fully Paid Stock Lending Income", "", CashKind.LENDING),
        ("Mark to Market", "/ESZ6 mark to market", CashKind.FUTURES_SETTLEMENT),
    ],
)
def test_money_movement_is_cash_of_its_kind(
    sub_type: str, description: str, kind: CashKind
) -> None:
    row = {
        "id": 10,
        "transaction-type": "Money Movement",
        "transaction-sub-type": sub_type,
        "description": description,
        "executed-at": FILL["executed-at"],
        "value": "27.74",
        "value-effect": "Debit",
    }
    [moved] = answering(items(row)).fetch_executions(ACCOUNT, since=SINCE).items
    assert isinstance(moved, CashMovement)
    assert (moved.kind, moved.amount, moved.movement_id) == (kind, Decimal("-27.74"), "10")


def test_row_that_undoes_another_is_its_cancel() -> None:
    row = FILL | {"id": 11, "reverses-id": 9}
    [cancel] = answering(items(row)).fetch_executions(ACCOUNT, since=SINCE).items
    assert isinstance(cancel, ExecutionCancel)
    assert (cancel.cancel_id, cancel.transaction_id) == ("11", "9")


def test_rule_13_every_sub_type_that_real_histories_hold_is_taken() -> None:
    cash = """Balance Adjustment; Cash Merger; Credit Interest; Debit Interest; Deposit; Dividend;
        Fee; Fully Paid Stock Lending Income; Futures Settlement; Mark to Market; Maturity;
        Special Dividend; Transfer; ACAT; Withdrawal"""
    moves = """ACAT; Assignment; Cash Merger; Cash Settled Assignment; Cash Settled Exercise;
        Dividend; Exercise; Expiration; Forward Split; Futures Settlement; Maturity; Reverse Split;
        Reverse Split Removal; Special Dividend; Stock Merger; Stock Merger Removal; Symbol Change;
        Transfer"""
    kinds = {name.strip(): cash_kind(name.strip(), "") for name in cash.split(";")}
    interest = {name for name, kind in kinds.items() if kind is CashKind.INTEREST}
    assert interest == {"Credit Interest", "Debit Interest"}
    names = [name.strip() for name in moves.split(";")]
    moved = {name: execution_kind("Receive Deliver", name) for name in names}
    assert None not in moved.values()
    assert ExecutionKind.TRADE not in moved.values()
    with pytest.raises(BadRow, match="Moon Landing"):
        cash_kind("Moon Landing", "")


@pytest.mark.parametrize("type_name", ["Trade Bust", "Receive Deliver", "Money Movement"])
def test_sub_type_that_no_rule_takes_is_refused_by_name(type_name: str) -> None:
    row = FILL | {"transaction-type": type_name, "transaction-sub-type": "Moon Landing"}
    [rejected] = answering(items(row)).fetch_executions(ACCOUNT, since=SINCE).rejected
    assert ("Moon Landing" in rejected.reason) is (type_name != "Trade Bust")
    assert rejected.reason.startswith(("sub-type", "type"))


@pytest.mark.parametrize(
    "pagination",
    [
        {"total-items": 3, "total-pages": 1},
        {"total-items": "1", "total-pages": 1},
        {"total-items": 1},
        ["pages"],
    ],
)
def test_rule_9_page_shorter_than_promised_gives_no_shorter_history(pagination: Any) -> None:
    with pytest.raises(MalformedResponse):
        answering(items(FILL) | {"pagination": pagination}).fetch_executions(ACCOUNT, since=SINCE)


def test_provider_that_never_ends_its_pages_and_the_call_ends() -> None:
    endless = items() | {"pagination": {"total-items": 10**9, "total-pages": 10**9}}
    with pytest.raises(MalformedResponse, match="pages"):
        answering(endless).fetch_executions(ACCOUNT, since=SINCE)
