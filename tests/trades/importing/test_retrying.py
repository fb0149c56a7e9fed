"""Refused rows are tried again in the admin: recorded once what was wrong is mended."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from django.test import Client

from portfolio.accounts.access import accounts_administered_by
from tests.factories import UserFactory
from tests.trades.files import account_at, take
from trades.importing.retrying import retry_rows
from trades.importing.tastytrade_csv import COLUMNS
from trades.models import QuarantinedExecution, TradeExecution

pytestmark = pytest.mark.django_db
FILL = (
    'accountId="U7" assetCategory="STK" symbol="XYZ" conid="77" currency="USD" multiplier="1" '
    'dateTime="20250110;100000" buySell="BUY" quantity="100" tradePrice="20" '
    'ibCommission="-1" ibExecID="0000a.77.01.01" transactionID="{0}" tradeID="{0}" {1}'
)


def statement(*rows: str) -> bytes:
    trades = "".join(f"<Trade {row} />" for row in rows)
    return (
        '<FlexQueryResponse><FlexStatements><FlexStatement accountId="U7"><Trades>'
        f"{trades}</Trades></FlexStatement></FlexStatements></FlexQueryResponse>"
    ).encode()


@pytest.fixture
def reviewer(client: Client) -> Client:
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


def retry(client: Client) -> list[str]:
    keys = list(QuarantinedExecution.objects.values_list("pk", flat=True))
    answer = client.post(
        "/admin/trades/quarantinedexecution/",
        {"action": "retry", "_selected_action": keys},
        follow=True,
    )
    return [str(message) for message in answer.context["messages"]]


def test_row_of_an_account_that_was_added_since_is_recorded(reviewer: Client) -> None:
    take(statement(FILL.format(1, "")))
    (told,) = [text for text in retry(reviewer) if "Refused" in text]
    assert "'U7' is not an account of this desk" in told
    row = QuarantinedExecution.objects.get()
    assert (row.resolved_at, row.times_seen) == (None, 2)
    account = account_at("IBKR", "U7")
    assert retry(reviewer) == ["Recorded: 1."]
    row.refresh_from_db()
    assert row.resolved_at is not None
    assert row.account == account
    stored = TradeExecution.objects.get()
    assert (stored.quantity, stored.price, stored.account) == (100, 20, account)
    # Nothing is left to try, and importing the file again adds nothing.
    assert retry(reviewer) == ["Recorded: 0."]
    assert take(statement(FILL.format(1, ""))).recorded.existing == 1


def test_row_that_is_still_wrong_stays_with_its_reason(reviewer: Client) -> None:
    account_at("IBKR", "U7")
    take(statement(FILL.format(1, "").replace('quantity="100"', 'quantity="many"')))
    told = retry(reviewer)
    assert told[0] == "Recorded: 0."
    assert "quantity" in told[1]
    row = QuarantinedExecution.objects.get()
    assert row.resolved_at is None
    assert TradeExecution.objects.count() == 0


def test_row_of_an_export_is_read_by_the_rules_of_now(reviewer: Client) -> None:
    account = account_at("TASTY", "5WX1")
    row = dict.fromkeys(COLUMNS, "") | {
        "Date": "2024-08-12T10:00:00-0400", "Type": "Trade", "Sub Type": "Sell to Open",
        "Action": "SELL_TO_OPEN", "Symbol": "XYZ", "Instrument Type": "Equity",
        "Description": "Sold 1 XYZ @ 5.00", "Value": "many", "Quantity": "1", "Multiplier": "1",
        "Underlying Symbol": "XYZ", "Currency": "USD",
    }  # fmt: skip
    lines = [",".join(COLUMNS), ",".join(row[name] for name in COLUMNS)]
    take("\n".join(lines).encode(), account)
    kept = QuarantinedExecution.objects.get()
    kept.payload["Value"] = "5.00"
    kept.save()
    assert retry(reviewer) == ["Recorded: 1."]
    assert TradeExecution.objects.get().price == 5


def test_kind_that_its_file_told_is_kept(reviewer: Client) -> None:
    """Without codes, the shares booked beside it say that an option was assigned."""
    option = (
        'accountId="U7" assetCategory="OPT" symbol="XYZ   250117P00050000" conid="78" '
        'underlyingSymbol="XYZ" currency="USD" multiplier="100" strike="50" expiry="20250117" '
        'putCall="P" dateTime="20250117;162000" transactionType="BookTrade" buySell="BUY" '
        'quantity="1" tradePrice="0" transactionID="5"'
    )
    shares = FILL.format(6, 'transactionType="BookTrade"').replace(
        "20250110;100000", "20250117;162000"
    )
    take(statement(option, shares))
    account_at("IBKR", "U7")
    assert retry(reviewer) == ["Recorded: 2."]
    kinds = set(TradeExecution.objects.values_list("kind", flat=True))
    assert kinds == {"assignment", "delivery"}


def test_broker_is_asked_again_for_what_only_it_can_tell(
    reviewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = account_at("IBKR", "U7")
    asked = Mock()
    monkeypatch.setattr("trades.admin.records.enqueue", asked)
    values: dict[str, Any] = {
        "account": account, "broker": "IBKR", "account_number": "U7", "kind": "trade",
        "reason": "time: the broker has not told it yet", "payload": {"execution_id": "1"},
        "first_seen_at": "2026-01-01T00:00Z", "last_seen_at": "2026-01-01T00:00Z",
    }  # fmt: skip
    QuarantinedExecution.objects.create(source="ibkr", fingerprint="a", **values)
    assert retry(reviewer)[1] == "The broker is asked again for U7."
    assert asked.call_args.args[1] == {"account_id": "U7"}


def test_staff_retry_in_their_own_accounts_only(client: Client) -> None:
    take(statement(FILL.format(1, "")))
    account_at("IBKR", "U7")
    nobody = UserFactory.create(is_staff=True)
    found = retry_rows(
        QuarantinedExecution.objects.all(), accounts=accounts_administered_by(nobody)
    )
    assert (found.recorded, TradeExecution.objects.count()) == (0, 0)
    assert sum(found.refused.values()) == 1
