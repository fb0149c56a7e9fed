"""A file is recorded in parts: what it says is the same as if they were one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from config.core.rows import packed
from portfolio.domain import ExecutionKind
from tests.trades.executions.test_identity import EXPORT, HISTORY, tasty
from tests.trades.files import account_at, net_by_contract, taken
from tests.trades.importing.flex_builder import action, booked, option, row, statement, trade
from tests.trades.strategies.test_store import AT, fill, record, stock
from trades.lots import store as lots
from trades.models import Trade, TradeExecution
from trades.strategies import store as trades

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture(autouse=True)
def parts_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "ROWS_A_PART", 1)
    monkeypatch.setattr(lots, "_INSTRUMENTS_AT_ONCE", 1)
    monkeypatch.setattr(trades, "_CONTRACTS_AT_ONCE", 1)


def test_equal_rows_in_several_parts_are_as_many_as_the_file_holds() -> None:
    account_at("TASTY", "5WX1")
    assert tasty(EXPORT, EXPORT, EXPORT).inserted == 3
    overlap = tasty(EXPORT, EXPORT, EXPORT, EXPORT)
    assert (overlap.existing, overlap.inserted) == (3, 1)


def test_equal_rows_in_several_parts_match_each_row_of_the_history_once() -> None:
    account_at("TASTY", "5WX1")
    tasty(HISTORY, replace(HISTORY, broker_execution_id="9002"))
    assert tasty(EXPORT, EXPORT, EXPORT).inserted == 1
    assert TradeExecution.objects.count() == 3


def test_contracts_that_a_split_connects_are_computed_together() -> None:
    account = account_at("IBKR", "U1")
    old, new, other = (option(f"AAPL  200918C{k:05d}000") for k in (480, 120, 100))
    words, told = "AAPL(US1) SPLIT 4 FOR 1 (X, Y, Z)", {"dateTime": "20200828;202500"}
    taken(
        statement(
            trade("20200805", "-1", "30", **old),
            trade("20200805", "-1", "2", **other),
            action("FS", "1", words, actionID="7", **told, **old),
            action("FS", "-4", words, actionID="7", **told, **new),
            trade("20200910", "4", "1", **new),
            trade("20200910", "1", "1", **other),
        )
    )
    assert net_by_contract(account) == {
        "AAPL  200918C00120000": Decimal("2600.00"),
        "AAPL  200918C00100000": Decimal("100.00"),
    }


def test_contract_of_several_names_is_what_the_oldest_row_calls_it() -> None:
    """A reverse split renamed the option; the statement has its newest fills first."""
    account = account_at("IBKR", "U1")
    old, new = (option(f"{root:<6}200918C00010000", conid="77") for root in ("LCID", "LCID1"))
    taken(
        statement(
            trade("20200910", "1", "1", **new),
            trade("20200806", "1", "2", **old),
            trade("20200805", "-2", "3", **old),
        )
    )
    assert net_by_contract(account) == {"LCID  200918C00010000": Decimal("300.00")}


def test_cash_of_a_settlement_is_shared_by_bookings_in_several_parts() -> None:
    account = account_at("IBKR", "U1")
    spxw = option("SPXW  200918C03000000")
    words = "Option Cash Settlement for: Assignment"
    line = {"symbol": spxw["symbol"], "amount": "-900", "activityDescription": words}
    taken(
        statement(
            trade("20200805", "-3", "10", **spxw),
            booked("20200918", "1", "0", notes="A", **spxw),
            booked("20200918", "2", "0", notes="A", **spxw),
            row("StatementOfFundsLine", **line),
        )
    )
    assert net_by_contract(account) == {spxw["symbol"]: Decimal("2100.00")}


def test_underlyings_whose_lots_moved_within_a_second_are_computed_together() -> None:
    """One row at a time: that of the new name alone must still find the trade of the old one."""
    account_at("IBKR", "U1")
    moved: dict[str, Any] = {"kind": ExecutionKind.SYMBOL_CHANGE, "price": None}
    record(fill(1, 5, contract=stock("OLD")))
    for number, quantity, name in ((2, -5, "OLD"), (3, 5, "NEW")):
        at = AT + timedelta(days=1, microseconds=number)
        record(fill(number, quantity, contract=stock(name), execution_time=at, **moved))
    trade = Trade.objects.get()
    assert (trade.underlying, trade.quantity) == ("NEW", 5)
