"""Rule 10: a transfer between two accounts of the desk carries the lots' basis and dates."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from portfolio.domain import Broker, BrokerExecution, ExecutionKind
from portfolio.models import Account
from tests.factories import UserFactory
from tests.trades.files import account_at
from tests.trades.lots.test_store import AT, fill
from trades.contexts.state import portfolio_state
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.lots.store import rebuild_lots
from trades.models import TradeLot

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
MOVED = AT + timedelta(days=30)


def accounts(*, one_owner: bool = True) -> list[Account]:
    found = [account_at("IBKR", "U1"), account_at("TASTY", "5WT1"), account_at("IBKR", "U3")]
    owner = UserFactory.create()
    if one_owner:
        Account.objects.update(owner=owner)
    return found


def moved(number: int, quantity: int, account: str, **changes: Any) -> BrokerExecution:
    values: dict[str, Any] = {
        "account_number": account,
        "broker": Broker.TASTY if account == "5WT1" else Broker.IBKR,
        "kind": ExecutionKind.TRANSFER,
        "price": None,
        "commission": None,
        "execution_time": MOVED,
        "position_effect": "OPEN" if quantity > 0 else "CLOSE",
        "broker_execution_id": f"move{number}",
    }
    return fill(number, quantity, **(values | changes))


def record(*rows: BrokerExecution) -> None:
    for row in rows:
        record_rows(JournalRows(executions=Executions([row])), broker=row.broker, source="file")


def lots_of(number: str) -> list[tuple[Any, ...]]:
    rows = TradeLot.objects.filter(account=number).order_by("opened_at", "pk")
    return [(lot.quantity, lot.open_price, lot.opened_at, lot.open_costs, lot.net) for lot in rows]


BOUGHT = [fill(1, 3), fill(2, 2)]
SOLD = fill(9, -4, account_number="5WT1", broker=Broker.TASTY, price=Decimal(20),
            commission=Decimal(0), execution_time=MOVED + timedelta(days=9))  # fmt: skip


def test_rule_10_transfer_carries_basis_dates_and_costs() -> None:
    accounts()
    gave = moved(3, -4, "U1")
    took = moved(4, 4, "5WT1", execution_time=MOVED + timedelta(days=4))
    record(*BOUGHT, gave, took, SOLD)
    first, second = lots_of("5WT1")
    # Three bought at 11, then one of two at 12, with half of its costs.
    assert first == (3, 11, AT + timedelta(minutes=1), Decimal("1.01"), Decimal("25.99"))
    assert second == (1, 12, AT + timedelta(minutes=2), Decimal("0.505"), Decimal("7.495"))
    assert lots_of("U1") == [(1, 12, AT + timedelta(minutes=2), Decimal("0.505"), None)]
    rebuild_lots(Account.objects.get(pk="5WT1"))
    assert lots_of("5WT1") == [first, second]


def test_rule_10_what_was_sold_on_the_day_of_a_transfer_was_not_given() -> None:
    """A statement tells the transfer's day, which is read as its midnight in New York."""
    accounts()
    midnight = MOVED.replace(hour=5, minute=0, second=0)
    sold = fill(3, -2, price=Decimal(20), execution_time=midnight + timedelta(hours=10))
    gave = moved(4, -3, "U1", execution_time=midnight)
    record(*BOUGHT, sold, gave, moved(5, 3, "5WT1", execution_time=midnight))
    # Of three bought at 11 two were sold; the last and the two bought at 12 went.
    assert [row[:2] for row in lots_of("5WT1")] == [(1, 11), (2, 12)]
    assert [row[:2] for row in lots_of("U1")] == [(2, 11)]


def test_rule_10_older_import_of_the_other_account_mends_the_basis() -> None:
    accounts()
    record(moved(4, 4, "5WT1"), SOLD, moved(3, -4, "U1"))
    assert [(row[0], row[1], row[4]) for row in lots_of("5WT1")] == [(4, None, None)]
    record(*BOUGHT)
    assert sum(row[4] for row in lots_of("5WT1")) == Decimal("33.485")


def test_rule_10_lots_pass_through_a_third_account() -> None:
    accounts()
    later = {"execution_time": MOVED + timedelta(days=20)}
    record(
        moved(5, -5, "5WT1", **later), moved(6, 5, "U3", **later),
        moved(3, -5, "U1"), moved(4, 5, "5WT1"), *BOUGHT,
    )  # fmt: skip
    assert [row[:2] for row in lots_of("U3")] == [(3, 11), (2, 12)]
    assert lots_of("U1") == lots_of("5WT1") == []


def test_rule_10_lots_that_come_back_keep_their_basis() -> None:
    accounts()
    later = {"execution_time": MOVED + timedelta(days=20)}
    record(
        *BOUGHT, moved(3, -5, "U1"), moved(4, 5, "5WT1"),
        moved(5, -5, "5WT1", **later), moved(6, 5, "U1", **later),
    )  # fmt: skip
    assert [row[:2] for row in lots_of("U1")] == [(3, 11), (2, 12)]


@pytest.mark.parametrize(
    "took",
    [
        moved(4, 3, "5WT1"),
        moved(4, 5, "5WT1", execution_time=MOVED + timedelta(days=11)),
    ],
)
def test_rule_10_transfer_that_fits_no_other_row_has_no_basis(took: BrokerExecution) -> None:
    accounts()
    record(*BOUGHT, moved(3, -5, "U1"), took)
    assert [row[1] for row in lots_of("5WT1")] == [None]


def test_rule_10_transfer_that_fits_two_rows_is_not_guessed() -> None:
    accounts()
    record(*BOUGHT, moved(3, -2, "U1"), moved(4, 2, "5WT1"), moved(5, 2, "U3"))
    assert [row[1] for row in lots_of("5WT1") + lots_of("U3")] == [None, None]


def test_rule_10_no_lot_passes_between_two_owners() -> None:
    accounts(one_owner=False)
    record(*BOUGHT, moved(3, -5, "U1"), moved(4, 5, "5WT1"))
    assert [row[1] for row in lots_of("5WT1")] == [None]


def test_rule_10_what_was_given_is_in_the_state_before_it_went() -> None:
    held = accounts()
    record(*BOUGHT, moved(3, -5, "U1"), moved(4, 5, "5WT1"))
    gave, took, _ = held
    for account, at, other in (
        (gave, MOVED - timedelta(days=1), took), (took, MOVED, gave),
    ):  # fmt: skip
        [position] = portfolio_state([account], at).positions
        assert (position.quantity, position.avg_price) == (5, 11.4)
        assert position.opened_at == AT + timedelta(minutes=1)
        assert portfolio_state([other], at).positions == []
