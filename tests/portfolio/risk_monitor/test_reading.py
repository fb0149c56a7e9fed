"""Reading with Greeks cached, missing, forced, on demand; against the real sandbox's brokers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.test import Client

from auth_tokens.models import User
from config.core.clock import now
from config.core.sandbox.server import Sandbox
from portfolio.domain import Broker
from portfolio.models import Account, AccountAccess, Position, SyncRun
from portfolio.risk_monitor import reading
from portfolio.risk_monitor.reading import read_risk_monitor
from portfolio.sync.run import sync_account
from tests.factories import AccountFactory, UserFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

NUMBER = "DU1000001"


@pytest.fixture
def account(trader: User, sandbox: Sandbox, settings: LazySettings) -> Account:
    """The sandbox's IBKR account, never synced."""
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    settings.TASTYTRADE_URL = sandbox.url("tastytrade")
    return AccountFactory.create(owner=trader, account_id=NUMBER, broker=Broker.IBKR.value)


def snapshots_asked(sandbox: Sandbox) -> int:
    return len(sandbox.faults.requests(path="marketdata/snapshot"))


def forget_greeks(account: Account) -> None:
    Position.objects.filter(account=account).update(
        delta_raw=None, gamma_raw=None, theta_raw=None, vega_raw=None, iv_raw=None
    )
    Account.objects.filter(pk=account.pk).update(book_version=account.book_version + 1000)


def test_cached_greeks_are_answered_without_asking_the_broker(
    trader: User, account: Account, sandbox: Sandbox
) -> None:
    sync_account(account_id=NUMBER, trigger=SyncRun.Trigger.COMMAND)
    sandbox.faults.forget_requests()
    monitor = read_risk_monitor(user=trader)
    assert monitor.book.totals["legs_without_greeks"] == 0
    assert sandbox.faults.requests() == []


def test_first_load_without_greeks_fetches_before_it_answers(
    trader: User, account: Account, sandbox: Sandbox
) -> None:
    sync_account(account_id=NUMBER, trigger=SyncRun.Trigger.COMMAND)
    account.refresh_from_db()
    forget_greeks(account)
    sandbox.faults.forget_requests()
    monitor = read_risk_monitor(user=trader)
    assert monitor.book.totals["legs"] > 0
    assert monitor.book.totals["legs_without_greeks"] == 0
    assert snapshots_asked(sandbox) > 0


def test_forced_read_shows_the_market_of_now(
    trader: User, account: Account, sandbox: Sandbox
) -> None:
    sync_account(account_id=NUMBER, trigger=SyncRun.Trigger.COMMAND)
    before = read_risk_monitor(user=trader)
    sandbox.faults.forget_requests()
    after = read_risk_monitor(user=trader, use_cached_greeks=False)
    assert snapshots_asked(sandbox) > 0
    assert after.version == before.version + 1
    assert max(r["greeks_as_of"] for r in after.book.positions if r["greeks_as_of"]) > max(
        r["greeks_as_of"] for r in before.book.positions if r["greeks_as_of"]
    )


def test_forced_read_with_every_broker_down_keeps_the_last_values(
    trader: User, account: Account, sandbox: Sandbox
) -> None:
    sync_account(account_id=NUMBER, trigger=SyncRun.Trigger.COMMAND)
    before = read_risk_monitor(user=trader)
    for server in ("ibkr_portal", "tastytrade"):
        sandbox.faults.add(server=server, path=".*", times=None, disconnect=True)
    after = read_risk_monitor(user=trader, use_cached_greeks=False)
    assert [r["delta"] for r in after.book.positions] == [r["delta"] for r in before.book.positions]


def test_second_reader_does_not_wait_for_the_broker(
    trader: User, account: Account, sandbox: Sandbox
) -> None:
    sync_account(account_id=NUMBER, trigger=SyncRun.Trigger.COMMAND)
    sandbox.faults.forget_requests()
    with reading._waiting_for_provider:
        monitor = read_risk_monitor(user=trader, use_cached_greeks=False)
    assert monitor.book.positions
    assert sandbox.faults.requests() == []


def test_reading_on_demand_fetches_the_book_first(
    trader: User, account: Account, settings: LazySettings
) -> None:
    settings.USE_PERSISTENT_CACHE = False
    monitor = read_risk_monitor(user=trader)
    assert monitor.book.totals["legs"] > 0
    assert monitor.head["stale"] is False


def test_old_greeks_are_refreshed_in_the_background(
    trader: User, account: Account, sandbox: Sandbox
) -> None:
    sync_account(account_id=NUMBER, trigger=SyncRun.Trigger.COMMAND)
    Account.objects.filter(pk=NUMBER).update(last_synced_at=now() - timedelta(seconds=45))
    monitor = read_risk_monitor(user=trader)
    assert monitor.head["refreshing"] is True
    assert monitor.head["stale"] is False


def test_button_without_script_queues_a_sync_and_goes_back(trader: User, account: Account) -> None:
    client = Client()
    client.force_login(trader)
    response = client.post("/sync", {"account_id": NUMBER, "next": "/?account_id=" + NUMBER})
    assert (response.status_code, response["Location"]) == (302, "/?account_id=" + NUMBER)
    assert SyncRun.objects.filter(account=account, trigger=SyncRun.Trigger.REQUEST).count() == 1


def test_button_goes_nowhere_else(trader: User, account: Account) -> None:
    client = Client()
    client.force_login(trader)
    for target in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        assert client.post("/sync", {"next": target})["Location"] == "/"


def test_word_without_a_slash_is_an_address(trader: User, account: Account) -> None:
    client = Client()
    client.force_login(trader)
    for target in ("day", "portfolio_live", "1,2"):
        assert client.post("/sync", {"next": target})["Location"] == target


def test_viewer_is_told_that_the_button_is_not_for_them(account: Account) -> None:
    viewer = UserFactory.create()
    AccountAccess.objects.create(user=viewer, account=account, role=AccountAccess.Role.VIEWER)
    client = Client()
    client.force_login(viewer)
    page = client.post("/sync", {"account_id": NUMBER}, follow=True).content.decode()
    assert "viewing only" in page
    assert not SyncRun.objects.filter(trigger=SyncRun.Trigger.REQUEST).exists()


def test_failed_first_load_is_not_tried_by_every_reader(
    trader: User, account: Account, sandbox: Sandbox
) -> None:
    sync_account(account_id=NUMBER, trigger=SyncRun.Trigger.COMMAND)
    account.refresh_from_db()
    forget_greeks(account)
    for server in ("ibkr_portal", "tastytrade"):
        sandbox.faults.add(server=server, path=".*", times=None, status=500)
    read_risk_monitor(user=trader)
    Position.objects.filter(account=account).update(delta_raw=None)
    Account.objects.filter(pk=NUMBER).update(book_version=account.book_version + 5000)
    sandbox.faults.forget_requests()
    monitor = read_risk_monitor(user=trader, refresh_greeks_async=False)
    assert monitor.lacks_all_greeks
    assert sandbox.faults.requests() == []
