"""One fill is one row: by socket, portal, statement and export, in any order of arrival."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from django.db.models import ProtectedError

from greeks.domain import Contract, InstrumentKind, Right
from portfolio.domain import (
    Broker,
    BrokerExecution,
    CashKind,
    CashMovement,
    ExecutionCancel,
    ExecutionKind,
    Side,
)
from portfolio.models import Account
from tests.trades.files import account_at, open_lots
from trades.executions.rows import JournalRows, Recorded
from trades.executions.store import record_rows
from trades.models import CashMovementRow, QuarantinedExecution, TradeExecution

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 20, 15, 0, 7, tzinfo=UTC)
CALL = Contract(
    kind=InstrumentKind.OPTION,
    symbol="XYZ   270115C00100000",
    underlying="XYZ",
    root="XYZ",
    expiry=date(2027, 1, 15),
    strike=Decimal(100),
    right=Right.CALL,
    multiplier=Decimal(100),
    currency="USD",
    aliases={"ibkr": "900001"},
)


@pytest.fixture
def account() -> Account:
    return account_at("IBKR", "U1")


def fill(**changes: Any) -> BrokerExecution:
    values: dict[str, Any] = {
        "broker": Broker.IBKR,
        "account_number": "U1",
        "contract": CALL,
        "side": Side.SELL,
        "quantity": Decimal(2),
        "price": Decimal("1.25"),
        "execution_time": AT,
        "source": "ibkr",
        "broker_execution_id": "0000aaaa.67000001.01.01",
    }
    return BrokerExecution(**(values | changes))


SOCKET = fill(order_id="600001")
PORTAL = fill(
    execution_time=AT + timedelta(milliseconds=512), commission=Decimal("1.3"), order_id="600001"
)
STATEMENT = fill(
    source="flex",
    price=Decimal("1.250000"),
    commission=Decimal("1.31"),
    transaction_id="700001",
    trade_id="500001",
    value=Decimal(250),
    net_value=Decimal("248.69"),
    position_effect="OPEN",
)


def record(*rows: Any, broker: Broker = Broker.IBKR, source: str = "ibkr") -> Recorded:
    sorted_rows = JournalRows()
    for row in rows:
        if isinstance(row, ExecutionCancel):
            sorted_rows.cancels.append(row)
        elif isinstance(row, CashMovement):
            sorted_rows.movements.append(row)
        else:
            sorted_rows.executions.append(row)
    found = record_rows(sorted_rows, broker=broker, source=source)
    parts = found.inserted + found.existing + found.cancelled + found.quarantined
    assert found.received == parts
    return found


@pytest.mark.parametrize("order", list(permutations((SOCKET, PORTAL, STATEMENT))))
def test_rule_1_fill_by_socket_portal_and_statement_is_one_row(
    account: Account, order: tuple[BrokerExecution, ...]
) -> None:
    for row in order:
        record(row)
    stored = TradeExecution.objects.get()
    assert QuarantinedExecution.objects.count() == 0
    assert (stored.transaction_id, stored.order_id) == ("700001", "600001")
    # Rule 2: costs are reconciled overnight; the statement's are final.
    assert stored.commission == Decimal("1.31")
    assert stored.net_value == Decimal("248.69")


@pytest.mark.parametrize(
    "names",
    [
        {"broker_execution_id": "", "transaction_id": "700001"},
        {"broker_execution_id": "", "trade_id": "500001"},
    ],
)
def test_rule_1_statement_with_fewer_ids_is_the_same_row(
    account: Account, names: dict[str, str]
) -> None:
    assert record(STATEMENT).inserted == 1
    fewer: dict[str, Any] = {"transaction_id": "", "trade_id": ""} | names
    assert record(replace(STATEMENT, **fewer)).existing == 1
    assert TradeExecution.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quantity": Decimal(3)}, "quantity"),
        ({"price": Decimal("1.26")}, "price"),
        ({"side": Side.BUY}, "side"),
        ({"execution_time": AT + timedelta(seconds=2)}, "time"),
        (
            {"contract": replace(CALL, strike=Decimal(105), aliases={"ibkr": "900002"})},
            "contract",
        ),
    ],
)
def test_rule_2_economic_fields_conflict_and_the_stored_row_stays(
    account: Account, changes: dict[str, Any], field: str
) -> None:
    record(SOCKET)
    assert record(replace(SOCKET, **changes)).quarantined == 1
    refused = QuarantinedExecution.objects.get()
    assert refused.kind == "conflict"
    assert refused.reason.startswith(field)
    assert TradeExecution.objects.get().quantity == 2


def test_rule_2_letter_case_padding_and_description_are_no_conflict(account: Account) -> None:
    record(SOCKET)
    shouted = replace(CALL, symbol="xyz 270115c00100000", description="XYZ CALL")
    assert record(replace(SOCKET, contract=shouted)).existing == 1


@pytest.mark.parametrize("late_first", [True, False])
def test_rule_3_correction_replaces_the_lower_revision(account: Account, late_first: bool) -> None:
    corrected = fill(
        broker_execution_id="0000aaaa.67000001.01.02", price=Decimal("1.2"), quantity=Decimal(3)
    )
    for row in (corrected, SOCKET) if late_first else (SOCKET, corrected):
        record(row)
    live = [row for row in TradeExecution.objects.all() if row.is_live]
    assert [(row.revision, row.price) for row in live] == [(2, Decimal("1.2"))]
    (lot,) = open_lots(account)
    assert lot.quantity == -3


CANCEL = ExecutionCancel(
    broker=Broker.IBKR,
    account_number="U1",
    cancel_id="700041",
    cancelled_at=AT,
    source="flex",
    transaction_id="700001",
    trade_id="500001",
    raw={"transactionID": "700041", "origTransactionID": "700001", "origTradeID": "500001"},
)


@pytest.mark.parametrize("by", ["transaction", "trade"])
@pytest.mark.parametrize("cancel_first", [True, False])
def test_rule_4_cancel_waits_for_its_row_and_ends_it(
    account: Account, cancel_first: bool, by: str
) -> None:
    cancel = CANCEL
    if by == "trade":
        raw = {**(CANCEL.raw or {}), "origTransactionID": "0"}
        cancel = replace(CANCEL, transaction_id="", raw=raw)
    steps = (cancel, STATEMENT) if cancel_first else (STATEMENT, cancel)
    for row in steps:
        record(row)
    stored = TradeExecution.objects.get()
    assert (stored.cancelled_by, stored.is_live) == ("700041", False)
    assert open_lots(account) == []
    assert not QuarantinedExecution.objects.filter(resolved_at=None).exists()
    assert record(cancel).existing == 1


def test_rule_4_cancel_told_again_with_its_fill_waits_no_longer(account: Account) -> None:
    record(CANCEL)
    rebooked = replace(
        STATEMENT, broker_execution_id="0000aaaa.67000001.01.02", transaction_id="700042"
    )
    # The booked fill has the same trade: applying the kept cancel too would end it.
    record(STATEMENT, rebooked, CANCEL)
    (lot,) = open_lots(account)
    assert lot.quantity == -2
    assert not QuarantinedExecution.objects.filter(resolved_at=None).exists()


def test_rule_4_tastytrade_cancel_waits_for_its_row(account: Account) -> None:
    account_at("TASTY", "5WT00001")
    cancel = replace(
        CANCEL,
        broker=Broker.TASTY,
        account_number="5WT00001",
        source="tastytrade",
        trade_id="",
        raw={"id": 700041, "reverses-id": 700001},
    )
    own = fill(
        broker=Broker.TASTY,
        account_number="5WT00001",
        source="tastytrade",
        broker_execution_id="700001",
        contract=replace(CALL, aliases={}),
    )
    for row in (cancel, own):
        record(row, broker=Broker.TASTY, source="tastytrade")
    assert not TradeExecution.objects.get().is_live
    assert not QuarantinedExecution.objects.filter(resolved_at=None).exists()


@pytest.mark.parametrize("transaction_id", ["700001", ""])
def test_rule_4_cancel_reaches_no_other_account(account: Account, transaction_id: str) -> None:
    account_at("IBKR", "U2")
    record(STATEMENT)
    other = replace(CANCEL, account_number="U2", transaction_id=transaction_id)
    assert record(other).quarantined == 1
    assert TradeExecution.objects.get().is_live


def test_rule_4_commission_of_a_rebooked_trade_counts_once(account: Account) -> None:
    rebooked = replace(
        STATEMENT,
        broker_execution_id="0000aaaa.67000001.01.02",
        transaction_id="700042",
        commission=Decimal(0),
    )
    record(STATEMENT, CANCEL, rebooked)
    (lot,) = open_lots(account)
    assert [lot.quantity, lot.open_costs] == [-2, Decimal("1.31")]


def test_rule_5_rows_of_an_unknown_account_are_kept_apart(account: Account) -> None:
    other = account_at("IBKR", "U2")
    found = record(
        SOCKET,
        fill(account_number="U2", broker_execution_id="b.01.01"),
        fill(account_number="U9", broker_execution_id="c.01.01"),
    )
    assert (found.inserted, found.quarantined) == (2, 1)
    assert QuarantinedExecution.objects.get().account_number == "U9"
    owners = TradeExecution.objects.order_by("account_id").values_list("account_id", flat=True)
    assert list(owners) == [account.pk, other.pk]


def test_rule_7_contract_id_names_the_contract_whatever_it_is_called(account: Account) -> None:
    renamed = replace(CALL, symbol="XYZ1  270115C00100000", root="XYZ1", underlying="XYZ1")
    record(SOCKET)
    closing = fill(
        broker_execution_id="0000aaaa.67000009.01.01",
        contract=renamed,
        side=Side.BUY,
        execution_time=AT + timedelta(days=9),
    )
    record(closing)
    assert open_lots(account) == []


def test_fill_without_a_time_waits_in_quarantine_or_completes(account: Account) -> None:
    assert record(replace(PORTAL, execution_time=None)).quarantined == 1
    record(SOCKET)
    assert record(replace(PORTAL, execution_time=None)).existing == 1
    assert TradeExecution.objects.get().commission == Decimal("1.3")


def test_impossible_rows_are_kept_with_their_reason(account: Account) -> None:
    nothing = fill(quantity=Decimal(0))
    nameless = fill(contract=replace(CALL, underlying=""))
    assert record(nothing, nameless, SOCKET).inserted == 1
    reasons = QuarantinedExecution.objects.values_list("reason", flat=True)
    assert {reason.split(":")[0] for reason in reasons} == {"quantity", "underlying"}


# --- Rows without ids ---
EXPORT = fill(
    broker=Broker.TASTY,
    account_number="5WX1",
    source="tastytrade_csv",
    broker_execution_id="",
    contract=replace(CALL, aliases={"tastytrade": CALL.symbol}),
    order_id="800001",
    commission=Decimal(2),
)
HISTORY = replace(
    EXPORT,
    source="tastytrade",
    broker_execution_id="9001",
    execution_time=AT + timedelta(milliseconds=123),
)


def tasty(*rows: Any) -> Recorded:
    return record(*rows, broker=Broker.TASTY, source="tastytrade")


def test_equal_rows_of_an_export_are_as_many_as_it_holds() -> None:
    account_at("TASTY", "5WX1")
    assert tasty(EXPORT, EXPORT, EXPORT).inserted == 3
    overlap = tasty(EXPORT, EXPORT, EXPORT, EXPORT)
    assert (overlap.existing, overlap.inserted) == (3, 1)
    assert TradeExecution.objects.count() == 4


@pytest.mark.parametrize("export_first", [True, False])
def test_history_and_export_of_two_equal_fills_are_two_rows(export_first: bool) -> None:
    account_at("TASTY", "5WX1")
    history = [HISTORY, replace(HISTORY, broker_execution_id="9002")]
    for rows in ([EXPORT, EXPORT], history) if export_first else (history, [EXPORT, EXPORT]):
        tasty(*rows)
    ids = TradeExecution.objects.order_by("broker_execution_id")
    assert list(ids.values_list("broker_execution_id", flat=True)) == ["9001", "9002"]


def test_cash_with_and_without_ids_is_counted_once() -> None:
    account_at("TASTY", "5WX1")
    interest = CashMovement(
        broker=Broker.TASTY,
        account_number="5WX1",
        kind=CashKind.INTEREST,
        amount=Decimal("-3.21"),
        currency="USD",
        moved_at=AT,
        source="tastytrade",
    )
    assert tasty(interest, interest).inserted == 2
    assert tasty(interest, interest).existing == 2
    named = replace(interest, movement_id="77", amount=Decimal(5))
    assert tasty(named).inserted == 1
    assert tasty(named).existing == 1
    assert sum(CashMovementRow.objects.values_list("amount", flat=True)) == Decimal("-1.42")


def test_side_that_a_later_source_knows_is_filled_in(account: Account) -> None:
    gone = fill(kind=ExecutionKind.EXPIRATION, side=None, price=Decimal(0))
    record(gone)
    assert record(replace(gone, side=Side.BUY)).completed == 1
    assert TradeExecution.objects.get().side == "BUY"


def test_rule_18_account_with_executions_cannot_be_deleted(account: Account) -> None:
    record(fill())
    with pytest.raises(ProtectedError):
        account.delete()
    assert TradeExecution.objects.count() == 1
