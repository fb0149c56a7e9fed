"""Which session a minute and a day of an account belong to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from greeks.calendar.seeding import seed_exchange_sessions
from greeks.calendar.sessions import forget_sessions
from greeks.domain import Contract, Snapshot
from greeks.models import ExchangeSession
from portfolio.accounts.days import session_dates_of
from portfolio.demo.seed import prepare_demo
from portfolio.models import Account, AccountDay, AccountHistory, Position, SyncRun
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, option, position, quote, stock

pytestmark = pytest.mark.django_db
RunSync = Callable[[str], SyncRun]

FRIDAY, SATURDAY, SUNDAY, MONDAY = (date(2026, 11, day) for day in (20, 21, 22, 23))
# Noon in New York.
NOON = "T17:00:00+00:00"


@pytest.fixture(autouse=True)
def calendar() -> None:
    for exchange in ("NYSE", "NSE"):
        seed_exchange_sessions(exchange=exchange, from_year=2026, to_year=2026)


@pytest.fixture
def sync_at(broker: FakeBroker, run_sync: RunSync, settings: Any) -> Callable[[Account, str], None]:
    """Sync an account at a moment of the market's clock; its money is the count of syncs."""
    broker.positions = [position(stock(), 5)]

    def sync(account: Account, moment: str) -> None:
        settings.MARKET_CLOCK = moment
        broker.summary = {"net_liquidation": Decimal(len(broker.calls))}
        assert run_sync(account.pk).outcome == SyncRun.Outcome.SUCCEEDED

    return sync


def days_of(account: Account) -> list[date]:
    days = AccountDay.objects.filter(account=account).order_by("session_date")
    return list(days.values_list("session_date", flat=True))


def test_weekend_of_a_real_account_counts_to_fridays_closing_row(
    sync_at: Callable[[Account, str], None],
) -> None:
    account: Account = AccountFactory.create()
    for day in (FRIDAY, SATURDAY, SUNDAY):
        sync_at(account, f"{day}{NOON}")

    assert days_of(account) == [FRIDAY]
    closing = AccountDay.objects.get()
    assert closing.opening_net_liquidation is not None
    assert closing.net_liquidation is not None
    assert closing.opening_net_liquidation < closing.net_liquidation
    minutes = AccountHistory.objects.values_list("session_date", flat=True)
    assert list(minutes) == [FRIDAY] * 3

    sync_at(account, f"{MONDAY}T05:00:00+00:00")  # midnight in New York
    assert days_of(account) == [FRIDAY, MONDAY]


def test_holiday_counts_to_the_session_before_it(
    sync_at: Callable[[Account, str], None],
) -> None:
    account: Account = AccountFactory.create()
    for day in (25, 26):
        sync_at(account, f"2026-11-{day}{NOON}")

    assert days_of(account) == [date(2026, 11, 25)]


def test_simulated_account_has_a_day_of_its_own_at_weekends(
    sync_at: Callable[[Account, str], None],
) -> None:
    account: Account = AccountFactory.create(simulated=True)
    for day in (FRIDAY, SATURDAY, SUNDAY):
        sync_at(account, f"{day}{NOON}")

    assert days_of(account) == [FRIDAY, SATURDAY, SUNDAY]


@pytest.mark.parametrize(
    ("zone", "at", "expected"),
    [
        # Diwali Balipratipada: Mumbai is closed and New York is open.
        ("Asia/Kolkata", datetime(2026, 11, 10, 6, tzinfo=UTC), date(2026, 11, 9)),
        ("America/New_York", datetime(2026, 11, 10, 18, tzinfo=UTC), date(2026, 11, 10)),
        # Half past midnight of Saturday in Kolkata.
        ("Asia/Kolkata", datetime(2026, 11, 20, 19, tzinfo=UTC), FRIDAY),
        # No calendar is known for these zones.
        ("Europe/Berlin", datetime(2026, 11, 21, 12, tzinfo=UTC), SATURDAY),
        ("Nowhere/At_All", datetime(2026, 11, 22, 12, tzinfo=UTC), SUNDAY),
        # The calendar does not reach so far: weekdays count.
        ("America/New_York", datetime(2045, 5, 13, 18, tzinfo=UTC), date(2045, 5, 12)),
    ],
)
def test_calendar_is_that_of_the_exchange_in_the_accounts_zone(
    zone: str, at: datetime, expected: date
) -> None:
    account: Account = AccountFactory.create(time_zone=zone)

    assert session_dates_of(account)(at) == expected


def test_demos_past_is_dated_as_its_live_minutes_are(settings: Any, tmp_path: Path) -> None:
    settings.DEMO = True
    settings.VAR_DIR = tmp_path
    prepare_demo(seed=1, chain="")

    for account in Account.objects.all():
        session_date = session_dates_of(account)
        rows = list(AccountHistory.objects.filter(account=account))
        assert rows
        assert all(row.session_date == session_date(row.minute) for row in rows)
        assert days_of(account) == sorted({row.session_date for row in rows})


def test_days_change_stays_over_the_weekend_and_days_to_expiry_do_not(
    broker: FakeBroker, sync_at: Callable[[Account, str], None]
) -> None:
    account: Account = AccountFactory.create()
    contract = option(expiry=date(2026, 12, 18))
    broker.positions = [position(contract, 1)]
    sync_at(account, f"{FRIDAY}{NOON}")
    friday = Position.objects.get()

    def without_opening(asked: Contract) -> Snapshot:
        return Snapshot(contract=asked, quote=quote(asked, opening_price=None), greeks=None)

    broker.snapshot = without_opening
    sync_at(account, f"{SATURDAY}{NOON}")

    saturday = Position.objects.get()
    assert saturday.opening_price == friday.opening_price
    assert saturday.daily_change == friday.daily_change
    assert (friday.dte, saturday.dte) == (28, 27)
    sync_at(account, f"{MONDAY}{NOON}")
    assert Position.objects.get().opening_price is None


@pytest.mark.django_db(transaction=True)
def test_calendar_is_read_once_for_many_syncs_and_before_the_transaction(
    sync_at: Callable[[Account, str], None],
) -> None:
    account: Account = AccountFactory.create()
    forget_sessions()
    with CaptureQueriesContext(connection) as captured:
        for minute in range(3):
            sync_at(account, f"{FRIDAY}T17:0{minute}:00+00:00")

    table = ExchangeSession._meta.db_table
    statements = [query["sql"] for query in captured]
    reads = [number for number, sql in enumerate(statements) if table in sql]
    # One for each exchange whose days the book has.
    assert 1 <= len(reads) == len({statements[number] for number in reads})
    positions = Position._meta.db_table
    first_write = next(n for n, sql in enumerate(statements) if positions in sql)
    assert reads[-1] < first_write
