"""What a broker's history tells, recorded again and again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config.core.errors import RetryableError
from greeks.domain import Fetched
from greeks.providers.decoding import decode_rows
from portfolio.brokers.tastytrade.transactions import decode_transaction
from portfolio.domain import AccountEvent
from portfolio.models import Account
from tests.trades.files import account_at, costs, expected, gross, realized, recorded
from trades.executions import reconcile
from trades.executions.reconcile import FIRST_LOOK, reconcile_account
from trades.models import CashMovementRow, JournalRun, TradeExecution

pytestmark = pytest.mark.django_db
NUMBER = "5WX00001"
AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


class Broker:
    """Answers with the rows of a history; keeps what it was asked."""

    def __init__(self) -> None:
        self.rows: list[Mapping[str, Any]] = []
        self.asked: list[datetime] = []
        self.error: Exception | None = None

    def fetch_executions(self, account_number: str, *, since: datetime) -> Fetched[AccountEvent]:
        self.asked.append(since)
        if self.error is not None:
            raise self.error
        return decode_rows(
            list(self.rows),
            lambda row: decode_transaction(
                row, account_number=account_number, source="tastytrade", futures={}
            ),
            kind="execution",
            source="tastytrade",
            as_of=AT,
        )

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    found = Broker()
    monkeypatch.setattr(reconcile, "open_adapter", lambda _broker: found)
    return found


@pytest.fixture
def account() -> Account:
    return account_at("TASTY", NUMBER)


def fill(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "symbol": "SPY",
        "instrument-type": "Equity",
        "transaction-type": "Trade",
        "transaction-sub-type": "Buy to Open",
        "action": "Buy to Open",
        "quantity": "10.0",
        "price": "600.5",
        "executed-at": "2026-11-20T15:00:00.000+00:00",
    } | changes


def pages(name: str, size: int, *, reverse: bool) -> list[list[Mapping[str, Any]]]:
    items = json.loads(recorded(f"tastytrade_api/{name}"))["data"]["items"]
    ordered = list(reversed(items)) if reverse else items
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("size", [1, 2, 6])
def test_rule_12_cash_settlement_in_two_rows_closes_once(
    broker: Broker, account: Account, size: int, reverse: bool
) -> None:
    """The twin may come first, later, or in another sync."""
    for page in pages("own_cash_settlement.json", size, reverse=reverse):
        broker.rows = page
        reconcile_account(account_id=account.pk)
    right = expected("tastytrade_api/own_cash_settlement.expected.json")
    lots = realized(account)
    for symbol, sums in right["realized"].items():
        assert gross(lots[symbol]) == Decimal(sums["gross"])
        assert costs(lots[symbol]) == Decimal(sums["costs"])
        assert {lot.closed_kind for lot in lots[symbol]} == {"cash_settlement"}
    everything = [lot for rows in lots.values() for lot in rows]
    assert gross(everything) == Decimal(right["trade"]["gross"])
    assert sum(lot.net or 0 for lot in everything) == Decimal(right["trade"]["net"])


def test_reinvested_dividend_is_a_buy_and_its_cash(broker: Broker) -> None:
    account_at("TASTY", "5WT0001")
    (broker.rows,) = pages("docs_dividend_reinvestment.json", 2, reverse=False)
    run = reconcile_account(account_id="5WT0001")
    assert run.counts["by_kind"] == {"dividend": 1, "dividend_reinvestment": 1}
    bought = TradeExecution.objects.get()
    assert (bought.quantity, bought.price) == (Decimal("1.68074"), Decimal("16.46"))
    assert CashMovementRow.objects.get().amount == Decimal("27.74")


def test_looks_overlap_and_add_nothing(broker: Broker, account: Account) -> None:
    broker.rows = [fill(1), fill(2)]
    first = reconcile_account(account_id=account.pk)
    broker.rows.append(fill(3))
    second = reconcile_account(account_id=account.pk)
    assert [run.counts["inserted"] for run in (first, second)] == [2, 1]
    assert second.counts["existing"] == 2
    assert broker.asked[0] == FIRST_LOOK
    assert broker.asked[1] < first.started_at


def test_looks_that_find_nothing_keep_one_run(broker: Broker, account: Account) -> None:
    broker.rows = [fill(1)]
    for _ in range(4):
        reconcile_account(account_id=account.pk)
    assert JournalRun.objects.count() == 2


def test_failure_of_the_broker_is_on_the_run(broker: Broker, account: Account) -> None:
    broker.error = RetryableError("The broker is down.", provider="tastytrade")
    run = reconcile_account(account_id=account.pk)
    assert (run.outcome, run.error) == ("failed", "The broker is down.")
    broker.error, broker.rows = None, [fill(1)]
    assert reconcile_account(account_id=account.pk).outcome == "succeeded"
    assert broker.asked[1] == FIRST_LOOK


def test_command_prints_each_account_and_fails_if_one_does(
    broker: Broker, account: Account
) -> None:
    broker.rows = [fill(1), fill(2, quantity="0")]
    out = StringIO()
    call_command("sync_executions", "--since", "2026-11-01", "--json", stdout=out)
    document = json.loads(out.getvalue())
    assert (document["account_id"], document["outcome"]) == (NUMBER, "partial")
    assert document["counts"]["reasons"] == {"quantity: a row of nothing": 1}
    assert broker.asked == [datetime(2026, 11, 1, tzinfo=UTC)]
    broker.error = RetryableError("The broker is down.", provider="tastytrade")
    with pytest.raises(CommandError, match="1 of 1 accounts were not read"):
        call_command("sync_executions", stdout=out)
    with pytest.raises(CommandError, match="No enabled account is named U404"):
        call_command("sync_executions", "--account", "U404", stdout=out)
