"""``sync_flex``: IBKR's statements by web service, once a day (rule 11)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import CommandError, call_command

from config.core.sandbox.server import Sandbox
from portfolio.brokers.ibkr_flex import client
from portfolio.models import Account
from portfolio.sandbox.ibkr_flex.server import QUERY_ID, TOKEN
from tests.factories import AccountFactory
from trades.executions.reconcile import reconcile_account
from trades.importing.flex_sync import is_flex_due, sync_flex
from trades.models import JournalRun, TradeExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def account(sandbox: Sandbox, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Account:
    settings.IBKR_FLEX_URL = sandbox.url("ibkr_flex")
    settings.IBKR_FLEX_TOKEN = TOKEN
    settings.IBKR_FLEX_QUERY_ID = QUERY_ID
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    monkeypatch.setattr(client, "WINDOWS", ())
    monkeypatch.setattr(client, "_FIRST_PAUSE", 0.01)
    number = sandbox.books.accounts()[0].account_number
    return AccountFactory.create(account_id=number, account_number=number, broker="IBKR")


def days_ago(number: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=number)


def test_rule_11_statement_and_portal_tell_of_each_fill_once(account: Account) -> None:
    reconcile_account(account_id=account.pk, since=datetime.now(UTC) - timedelta(days=6))
    by_portal = set(TradeExecution.objects.values_list("broker_execution_id", flat=True))
    (run,) = sync_flex(since=days_ago(20))
    assert by_portal
    assert run.outcome == JournalRun.Outcome.SUCCEEDED, run.error
    assert run.counts["existing"] > 0
    assert run.counts["inserted"] > 0
    (again,) = sync_flex(since=days_ago(20))
    assert again.counts["inserted"] == 0
    ids = list(TradeExecution.objects.values_list("broker_execution_id", flat=True))
    assert len(ids) == len(set(ids))
    assert by_portal <= set(ids)


def test_more_than_a_year_is_asked_for_in_pieces(account: Account, sandbox: Sandbox) -> None:
    sync_flex(since=days_ago(400))
    asked = [
        dict(part.split("=") for part in request.query.split("&"))
        for request in sandbox.faults.requests(server="ibkr_flex", path="SendRequest$")
    ]
    spans = [(_day(one["td"]) - _day(one["fd"])).days + 1 for one in asked]
    assert spans == [365, (_day(asked[1]["td"]) - days_ago(400)).days + 1 - 365]
    assert _day(asked[1]["fd"]) == _day(asked[0]["td"]) + timedelta(days=1)


def _day(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def test_it_is_due_once_each_morning(account: Account) -> None:
    new_york = ZoneInfo("America/New_York")
    with time_machine.travel(datetime(2026, 11, 18, 5, 0, tzinfo=new_york), tick=False):
        assert is_flex_due()
        JournalRun.objects.create(
            source="ibkr_flex", started_at=datetime.now(UTC), outcome=JournalRun.Outcome.SUCCEEDED
        )
        assert not is_flex_due()
    with time_machine.travel(datetime(2026, 11, 18, 6, 29, tzinfo=new_york), tick=False):
        assert not is_flex_due()
    with time_machine.travel(datetime(2026, 11, 18, 6, 31, tzinfo=new_york), tick=False):
        assert is_flex_due()
        JournalRun.objects.create(
            source="ibkr_flex", started_at=datetime.now(UTC), outcome=JournalRun.Outcome.FAILED
        )
        assert is_flex_due()


def test_it_is_not_due_without_a_token_or_an_account(account: Account, settings: Any) -> None:
    assert is_flex_due()
    Account.objects.update(enabled=False)
    assert not is_flex_due()
    Account.objects.update(enabled=True)
    settings.IBKR_FLEX_TOKEN = ""
    assert not is_flex_due()


def test_command_leaves_out_other_accounts_and_prints_json(account: Account) -> None:
    other = AccountFactory.create(account_id="U7", account_number="U7", broker="IBKR")
    out = StringIO()
    call_command("sync_flex", account=[other.pk], since=days_ago(10), json=True, stdout=out)
    document = json.loads(out.getvalue())
    assert document["outcome"] == "succeeded"
    assert document["counts"]["received"] == 0
    assert document["counts"]["ignored"]["of an account that was not asked for"] > 0


def test_command_fails_with_the_services_words(account: Account, settings: Any) -> None:
    settings.IBKR_FLEX_QUERY_ID = "1"
    for _ in range(2):
        with pytest.raises(CommandError, match="1014: Query is invalid"):
            call_command("sync_flex", stdout=StringIO())
    run = JournalRun.objects.get()
    assert (run.outcome, run.error_code) == (JournalRun.Outcome.FAILED, "provider_refused")


def test_command_names_unknown_accounts(account: Account) -> None:
    with pytest.raises(CommandError, match="No account at IBKR is named U9"):
        call_command("sync_flex", account=["U9"])
