"""What the nightly clearing deletes, what it keeps, and in how small bites it works."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from auth_tokens.models import TokenEvent
from config.core.clock import now
from greeks.models import (
    ChainSnapshot,
    ContractGreekHistory,
    ContractGreeks,
    GreekSnapshot,
    Instrument,
    StoredDay,
)
from portfolio.history import retention
from portfolio.history.retention import delete_expired
from portfolio.models import (
    Account,
    AccountDay,
    AccountHistory,
    Beta,
    DailyClose,
    PriceBar,
    QuarantinedRow,
    SyncRun,
)
from portfolio.tasks.book import delete_expired_task
from tests.factories import AccountFactory, OptionFactory

pytestmark = pytest.mark.django_db
Outcome = SyncRun.Outcome
TABLES = ("contract_greek_history", "price_bars", "quarantined_rows", "account_history")


@pytest.fixture(autouse=True)
def days(settings: Any) -> None:
    settings.KEEP_SYNC_RUNS_DAYS = 30
    settings.KEEP_QUARANTINE_DAYS = 90
    settings.KEEP_DAILY_CLOSES_DAYS = 500
    settings.KEEP_CONTRACT_MINUTES_DAYS = settings.KEEP_ACCOUNT_MINUTES_DAYS = 400
    settings.KEEP_GREEK_SNAPSHOTS_DAYS = 300
    settings.KEEP_CHAIN_SNAPSHOTS_DAYS = 100


@pytest.fixture
def account() -> Account:
    return AccountFactory.create()


def ago(days: float) -> datetime:
    return (now() - timedelta(days=days)).replace(second=0, microsecond=0)


def run_of(account: Account, days: float, outcome: str = Outcome.SUCCEEDED) -> SyncRun:
    return SyncRun.objects.create(
        account=account,
        trigger=SyncRun.Trigger.SCHEDULE,
        requested_at=ago(days),
        finished_at=ago(days),
        outcome=outcome,
    )


def write_minutes(account: Account, instrument: Instrument, minutes: list[datetime]) -> None:
    for minute in minutes:
        facts: dict[str, Any] = {"source": "ibkr", "as_of": minute}
        day = {"account": account, "session_date": minute.date()}
        AccountHistory.objects.create(**day, minute=minute, **facts)
        AccountDay.objects.get_or_create(**day, defaults=facts)
        ContractGreekHistory.objects.create(instrument=instrument, minute=minute, **facts)
        prices = dict.fromkeys(("open", "high", "low", "close"), Decimal(1))
        PriceBar.objects.create(instrument=instrument, minute=minute, **prices, **facts)


def test_minutes_go_after_their_time_and_closing_rows_stay(account: Account) -> None:
    instrument = OptionFactory.create()
    ContractGreeks.objects.create(
        instrument=instrument, source="ibkr", as_of=ago(900), updated_at=ago(900)
    )
    old, young = [ago(900), ago(401)], [ago(399), ago(0)]
    write_minutes(account, instrument, old + young)

    cleared = delete_expired()

    assert cleared.finished
    for model in (AccountHistory, ContractGreekHistory, PriceBar):
        assert sorted(model.objects.values_list("minute", flat=True)) == young
        assert cleared.deleted[model._meta.db_table] == 2
    assert AccountDay.objects.count() == 4
    assert ContractGreeks.objects.count() == 1


def test_minutes_of_chains_go_after_a_time_of_their_own(settings: Any) -> None:
    for days in (301, 299):
        GreekSnapshot.objects.create(
            instrument_key="NSE_INDEX|Nifty 50",
            expiry=ago(days).date(),
            minute=ago(days),
            session_date=ago(days).date(),
            source="upstox",
            updated_at=ago(days),
        )
        StoredDay.objects.create(
            instrument_key="NSE_INDEX|Nifty 50",
            session_date=ago(days).date(),
            expiry=ago(days).date(),
            as_of=ago(days),
        )

    cleared = delete_expired()
    assert (cleared.deleted["greek_snapshots"], cleared.deleted["stored_days"]) == (1, 1)
    assert GreekSnapshot.objects.get().minute == ago(299)
    assert StoredDay.objects.get().as_of == ago(299)

    settings.KEEP_GREEK_SNAPSHOTS_DAYS = 0
    GreekSnapshot.objects.update(minute=ago(3000))
    delete_expired()
    assert GreekSnapshot.objects.exists()


def test_kept_chains_go_before_the_minutes_of_their_day(settings: Any) -> None:
    for days in (101, 99):
        ChainSnapshot.objects.create(
            instrument_key="NSE_INDEX|Nifty 50",
            expiry=ago(days).date(),
            minute=ago(days),
            session_date=ago(days).date(),
            source="upstox",
            as_of=ago(days),
            packed=b"",
        )

    assert delete_expired().deleted["chain_snapshots"] == 1
    assert ChainSnapshot.objects.get().minute == ago(99)


def test_events_of_tokens_go_in_the_end(settings: Any) -> None:
    settings.KEEP_TOKEN_EVENTS_DAYS = 100
    for days in (101, 99):
        TokenEvent.objects.create(
            at=ago(days), provider="upstox", event=TokenEvent.Event.TOKEN_RENEWED
        )

    assert delete_expired().deleted["token_events"] == 1
    assert TokenEvent.objects.get().at == ago(99)


def test_minutes_age_on_the_markets_clock(account: Account, settings: Any) -> None:
    minute = datetime(2019, 5, 15, 16, tzinfo=UTC)
    write_minutes(account, OptionFactory.create(), [minute])
    settings.MARKET_CLOCK = "2019-05-15T17:00:00+00:00"

    delete_expired()
    assert AccountHistory.objects.count() == 1

    settings.MARKET_CLOCK = "2020-12-15T17:00:00+00:00"
    delete_expired()
    assert AccountHistory.objects.count() == 0


def test_runs_go_after_a_month_but_each_accounts_last_good_and_last_of_all(
    account: Account,
) -> None:
    busy: Account = AccountFactory.create()
    run_of(account, 80)
    last_good = run_of(account, 70, Outcome.UNCONFIRMED)
    run_of(account, 60, Outcome.FAILED)
    last = run_of(account, 50, Outcome.FAILED)
    run_of(busy, 31)
    recent = [run_of(busy, 29), run_of(busy, 0)]

    cleared = delete_expired()

    assert cleared.deleted["sync_runs"] == 3
    assert set(SyncRun.objects.all()) == {last_good, last, *recent}


def test_refused_row_goes_when_it_was_not_sent_again_for_long(account: Account) -> None:
    for number, last_seen in enumerate((91, 89, 0)):
        QuarantinedRow.objects.create(
            account=account,
            kind="position",
            reason="quantity: NaN",
            fingerprint=str(number),
            source="ibkr",
            first_seen_at=ago(300),
            last_seen_at=ago(last_seen),
        )

    delete_expired()

    kept = QuarantinedRow.objects.order_by("fingerprint").values_list("fingerprint", flat=True)
    assert list(kept) == ["1", "2"]


def test_old_closes_and_computed_betas_go_and_set_ones_stay() -> None:
    for days in (501, 499):
        DailyClose.objects.create(
            symbol="SPY", session_date=ago(days).date(), close=600, source="polygon", as_of=now()
        )
    for source in Beta.Source.values:
        Beta.objects.create(symbol="AAPL", benchmark="SPY", value=1, source=source, as_of=ago(600))
    delete_expired()

    assert DailyClose.objects.get().session_date == ago(499).date()
    assert Beta.objects.get().source == Beta.Source.SET


def test_nought_days_keep_everything(account: Account, settings: Any) -> None:
    for name in (
        "SYNC_RUNS", "QUARANTINE", "CONTRACT_MINUTES", "ACCOUNT_MINUTES", "DAILY_CLOSES",
        "GREEK_SNAPSHOTS", "CHAIN_SNAPSHOTS", "GEX_SNAPSHOTS", "ALERTS", "TOKEN_EVENTS",
    ):  # fmt: skip
        setattr(settings, f"KEEP_{name}_DAYS", 0)
    write_minutes(account, OptionFactory.create(), [ago(5000)])
    for days in (90, 80):
        run_of(account, days)

    assert delete_expired().deleted == {}
    assert (SyncRun.objects.count(), AccountHistory.objects.count()) == (2, 1)


def test_rows_are_deleted_a_batch_to_a_statement_and_nothing_is_read(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 10)
    start = ago(500)
    minutes = [start + timedelta(minutes=number) for number in range(25)]
    write_minutes(account, OptionFactory.create(), minutes)

    with CaptureQueriesContext(connection) as captured:
        cleared = delete_expired()

    statements = [query["sql"] for query in captured]
    for table in TABLES:
        deletes = [sql for sql in statements if sql.startswith("DELETE") and table in sql]
        assert len(deletes) == (1 if table == "quarantined_rows" else 3)
        assert all("LIMIT 10" in sql for sql in deletes)
        assert not [sql for sql in statements if sql.startswith("SELECT") and table in sql]
    assert cleared.deleted["account_history"] == 25
    assert len([sql for sql in statements if "SAVEPOINT" not in sql]) <= 23


def test_second_run_finds_nothing_to_do(account: Account) -> None:
    write_minutes(account, OptionFactory.create(), [ago(500), ago(0)])
    delete_expired()

    assert set(delete_expired().deleted.values()) == {0}


def test_run_whose_time_is_up_says_so_and_the_next_goes_on(account: Account) -> None:
    write_minutes(account, OptionFactory.create(), [ago(500)])

    cleared = delete_expired(seconds=0)
    assert (cleared.finished, cleared.deleted) == (False, {})
    assert AccountHistory.objects.count() == 1

    delete_expired_task()
    assert AccountHistory.objects.count() == 0
