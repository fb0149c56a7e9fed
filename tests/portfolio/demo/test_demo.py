"""The demo's data: simulated accounts only, kept while the market is the same, else replaced."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from auth_tokens.models import User
from config.core.errors import Conflict
from greeks.models import Instrument
from portfolio.demo.launch import PREPARATIONS
from portfolio.demo.seed import DEMO_NAME, DEMO_PASSWORD, prepare_demo
from portfolio.domain import Broker
from portfolio.models import Account, AccountDay, AccountHistory
from tests.factories import AccountFactory
from tests.trades.executions.test_identity import fill
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.models import TradeExecution, TradeNote

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture(autouse=True)
def demo_mode(settings: Settings, tmp_path: Path) -> None:
    settings.DEMO = True
    settings.VAR_DIR = tmp_path


def test_demo_has_its_log_in_and_a_simulated_account_at_each_broker() -> None:
    prepare_demo(seed=1, chain="")

    user = User.objects.get(username=DEMO_NAME)
    assert user.check_password(DEMO_PASSWORD)
    accounts = Account.objects.all()
    assert {account.broker for account in accounts} == {"IBKR", "TASTY"}
    assert all(account.simulated and account.owner == user for account in accounts)


def test_charts_have_a_past_from_the_start() -> None:
    prepare_demo(seed=1, chain="")

    for account in Account.objects.all():
        minutes = AccountHistory.objects.filter(account=account).order_by("minute")
        first, last = minutes.first(), minutes.last()
        assert first is not None
        assert last is not None
        assert last.minute - first.minute >= timedelta(hours=6)
        assert not minutes.filter(net_liquidation=None).exists()
        opened = AccountDay.objects.filter(account=account).order_by("session_date").first()
        assert opened is not None
        assert opened.opening_net_liquidation == first.net_liquidation


def test_same_market_keeps_what_was_seen_and_fills_only_the_gap() -> None:
    prepare_demo(seed=1, chain="")
    account = Account.objects.earliest("account_id")
    minutes = AccountHistory.objects.filter(account=account).order_by("minute")
    gap, seen = minutes[200], minutes[300]
    minutes.filter(pk=seen.pk).update(source="ibkr_portal")
    gap.delete()
    kept = set(minutes.values_list("pk", flat=True))

    prepare_demo(seed=1, chain="")

    assert minutes.get(pk=seen.pk).source == "ibkr_portal"
    assert kept <= set(minutes.values_list("pk", flat=True))
    assert minutes.filter(minute=gap.minute).count() == 1


def test_other_market_forgets_everything_of_the_first_but_counts_versions_on() -> None:
    prepare_demo(seed=1, chain="")
    Account.objects.update(book_version=41)
    contract = Instrument.objects.create(kind="stock", symbol="OLD", underlying="OLD")
    before = set(AccountHistory.objects.values_list("pk", flat=True))
    account = Account.objects.filter(broker=Broker.IBKR.value).get()
    bought = fill(account_number=account.account_number)
    record_rows(JournalRows(executions=Executions([bought])), broker=Broker.IBKR, source="ibkr")
    # A note protects the fill that it is about.
    TradeNote.objects.create(opening=TradeExecution.objects.get(), text="Too early.")

    prepare_demo(seed=2, chain="")

    assert not TradeNote.objects.exists()
    assert not Instrument.objects.filter(pk=contract.pk).exists()
    assert not AccountHistory.objects.filter(pk__in=before).exists()
    assert {account.book_version for account in Account.objects.all()} == {42}


def test_database_with_a_real_account_is_not_touched() -> None:
    real = AccountFactory(simulated=False)

    with pytest.raises(Conflict, match="real accounts"):
        prepare_demo(seed=1, chain="")

    assert list(Account.objects.all()) == [real]
    assert not User.objects.filter(username=DEMO_NAME).exists()


def test_demo_is_prepared_in_demo_mode_only(settings: Settings) -> None:
    settings.DEMO = False
    with pytest.raises(Conflict, match="demo mode"):
        prepare_demo(seed=1, chain="")


def test_demo_points_the_adapters_at_loopback_and_keeps_its_data_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = {
        "IBKR_PORTAL_URL": "https://real.example.org",
        "TASTYTRADE_REFRESH_TOKEN": "mine",
    }
    monkeypatch.setattr("os.environ", environment)

    PREPARATIONS["demo"](["--seed", "3", "--port", "8123"])

    assert environment["IBKR_PORTAL_URL"].startswith("http://127.0.0.1:")
    assert environment["TASTYTRADE_URL"].startswith("http://127.0.0.1:")
    assert environment["TASTYTRADE_REFRESH_TOKEN"] != "mine"
    assert environment["VAR_DIR"].endswith("/var/demo")
    assert environment["WEBSOCKET_ORIGINS"] == "http://127.0.0.1:8123,http://localhost:8123"


def test_real_desk_keeps_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "IBKR_PORTAL_URL": "https://real.example.org",
        "CSRF_TRUSTED_ORIGINS": "https://desk.example.org",
        "REDIS_URL": "redis://redis:6379/0",
    }
    monkeypatch.setattr("os.environ", environment)

    PREPARATIONS["up"](["--port", "8123"])

    assert environment["IBKR_PORTAL_URL"] == "https://real.example.org"
    assert environment["REDIS_URL"] == "redis://redis:6379/0"
    assert "WEBSOCKET_ORIGINS" not in environment
    assert "DEMO" not in environment
