"""History over the API: whole sums, honest gaps, each account's own day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from auth_tokens.models import User
from portfolio.accounts.days import local_date
from portfolio.models import Account, AccountHistory, FxRate
from tests.factories import AccountFactory, AccountStatusFactory
from tests.portfolio.reading import read, synced_account

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("resolution=fortnight", "resolution"),
        ("start=2026-13-01", "start"),
        ("start=2026-11-20&end=2026-11-01", "start"),
    ],
)
def test_history_refuses_impossible_ranges(signed_in: Client, query: str, field: str) -> None:
    response = signed_in.get(f"/api/portfolio/history?{query}")
    assert response.status_code == 400
    assert field in response.json()["error"]["fields"]


def test_history_sums_accounts_and_shows_gaps(trader: User, signed_in: Client) -> None:
    minute = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    minutes: list[list[int | None]] = [[100, 101], [50, None]]
    for index, values in enumerate(minutes):
        account = synced_account(trader, account_id=f"DU{index}")
        for step, value in enumerate(values):
            AccountHistory.objects.create(
                account=account,
                minute=minute + timedelta(minutes=step),
                session_date=minute.date(),
                net_liquidation=value,
                dollar_gamma=1.5,
                source="ibkr",
                as_of=minute,
            )
    series = read(signed_in, "/api/portfolio/history")["series"]
    assert series["net_liquidation"] == [150, None]
    assert series["dollar_gamma"] == [3.0, 3.0]
    assert len(series["at"]) == 2


@pytest.mark.parametrize(("rate", "sum_of_both"), [("1.25", 1125.0), (None, None)])
def test_history_of_two_currencies_is_converted_or_missing_never_added_raw(
    trader: User, signed_in: Client, rate: str | None, sum_of_both: float | None
) -> None:
    minute = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    for currency, value in (("USD", 1000), ("EUR", 100)):
        account: Account = AccountFactory(owner=trader, base_currency=currency)
        AccountStatusFactory(account=account, currency=currency)
        facts: dict[str, Any] = {"net_liquidation": value, "source": "ibkr"}
        AccountHistory.objects.create(
            account=account, minute=minute, session_date=minute.date(), as_of=minute, **facts
        )
    if rate is not None:
        FxRate.objects.create(base="USD", quote="EUR", rate=rate, as_of=minute, source="ibkr")
    history = read(signed_in, "/api/portfolio/history")
    assert history["currency"] == "USD"
    assert history["series"]["net_liquidation"] == [sum_of_both]


def test_history_of_accounts_on_two_exchanges_is_whole(trader: User, signed_in: Client) -> None:
    """One moment, two session dates: each account's row counts with its own."""
    minute = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
    for zone, day in (("America/New_York", 20), ("Asia/Kolkata", 21)):
        account = synced_account(trader, time_zone=zone)
        AccountHistory.objects.create(
            account=account,
            minute=minute,
            session_date=date(2026, 11, day),
            net_liquidation=100,
            source="ibkr",
            as_of=minute,
        )
    series = read(signed_in, "/api/portfolio/history?start=2026-11-19&end=2026-11-22")["series"]
    assert series["net_liquidation"] == [200]


def test_history_carries_no_value_into_another_day(trader: User, signed_in: Client) -> None:
    minutes = [datetime(2026, 11, day, 15, 0, tzinfo=UTC) for day in (19, 20)]
    both, once = synced_account(trader), synced_account(trader)
    for account, moments in ((both, minutes), (once, minutes[:1])):
        for moment in moments:
            AccountHistory.objects.create(
                account=account,
                minute=moment,
                session_date=moment.date(),
                net_liquidation=100,
                source="ibkr",
                as_of=moment,
            )
    series = read(signed_in, "/api/portfolio/history?start=2026-11-19&end=2026-11-20")["series"]
    assert series["net_liquidation"] == [200, None]


def test_history_of_the_last_session_leaves_the_weekend_out(
    trader: User, signed_in: Client
) -> None:
    account = synced_account(trader)
    friday = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    for hours in (0, 6, 40):
        AccountHistory.objects.create(
            account=account,
            minute=friday + timedelta(hours=hours),
            session_date=friday.date(),
            net_liquidation=100 + hours,
            source="ibkr",
            as_of=friday,
        )
    series = read(signed_in, "/api/portfolio/history")["series"]
    assert series["net_liquidation"] == [100, 106]


def test_day_of_many_accounts_asks_for_each_points_date_once_a_zone(
    trader: User, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []

    def counted(account: Account, at: datetime) -> date:
        asked.append(at)
        return local_date(account, at)

    monkeypatch.setattr("portfolio.history.reading.local_date", counted)
    at = datetime(2025, 11, 20, 15, tzinfo=UTC)
    for number in range(12):
        account = AccountFactory.create(owner=trader)
        for minute in range(number, 12):
            AccountHistory.objects.create(
                account=account,
                minute=at + timedelta(minutes=minute),
                session_date=at.date(),
                source="ibkr",
                as_of=at,
                net_liquidation=Decimal(number),
                theta=None if minute == 5 else 1.0,
            )
    series = signed_in.get("/api/portfolio/history").json()["series"]
    # The last account has its first row at the last point.
    assert series["net_liquidation"] == [None] * 11 + [sum(range(12))]
    assert series["theta"][-1] == 12
    assert len(asked) == 12
