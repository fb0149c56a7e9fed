"""A file is recorded in parts: what it says is the same as if they were one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.trades.executions.test_identity import EXPORT, HISTORY, tasty
from tests.trades.files import account_at, net_by_contract, taken
from tests.trades.importing.flex_builder import action, option, statement, trade
from trades.executions import store as recording
from trades.lots import store as lots
from trades.models import TradeExecution

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def parts_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_ROWS_AT_ONCE", 1)
    monkeypatch.setattr(lots, "_INSTRUMENTS_AT_ONCE", 1)


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
