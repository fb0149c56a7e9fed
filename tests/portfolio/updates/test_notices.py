"""A portfolio's sessions stay as history, and its owner is told of moves and of each session."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from auth_tokens.models import User
from greeks.calendar.seeding import seed_exchange_sessions
from greeks.instruments.store import resolve_instruments
from greeks.models import AlertEvent
from portfolio.domain import Side
from portfolio.models import Account, Portfolio, PortfolioDay, Position
from portfolio.models import Quote as StoredQuote
from portfolio.updates.calculation import recalculate
from portfolio.updates.notices import is_news, steps_of
from portfolio.updates.summaries import summarise_days
from tests.factories import AccountFactory, PositionFactory, UserFactory
from tests.portfolio.book.test_day_fills import traded
from tests.portfolio.books import stock

# A Monday: NYSE closes at 21:00 UTC.
NOON = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)
MONDAY = date(2026, 11, 30)
ALL = "/api/portfolio/portfolios"


@given(
    moves=st.lists(st.decimals(min_value=-50, max_value=50, places=2), max_size=20),
    step=st.decimals(min_value="0.1", max_value=20, places=2),
)
def test_each_step_is_told_once_until_the_other_side_is_reached(
    moves: list[Decimal], step: Decimal
) -> None:
    told: list[int] = [0]
    for move in moves:
        steps = steps_of(move, step)
        assert abs(steps) * step <= abs(move) < (abs(steps) + 1) * step
        if is_news(steps, told[-1]):
            told.append(steps)
        # Whoever is told last knows at least the size of the move, or it is within a step.
        assert steps == 0 or (told[-1] * steps > 0 and abs(told[-1]) >= abs(steps))
    assert all(
        after != 0 and (before * after <= 0 or abs(after) > abs(before))
        for before, after in pairwise(told)
    )


@pytest.fixture
def _noon(db: None) -> Iterator[None]:
    seed_exchange_sessions(exchange="NYSE", from_year=2026, to_year=2026)
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def trader(_noon: None) -> User:
    found: User = UserFactory.create(username="trader")
    return found


@pytest.fixture
def account(trader: User) -> Account:
    found: Account = AccountFactory.create(
        account_id="DU1", owner=trader, time_zone="America/New_York", simulated=False
    )
    PositionFactory.create(
        account=found, underlying="SPY", market_value=10_000, daily_change=0, currency="USD"
    )
    return found


def move(account: Account, change: float) -> None:
    """Let the account's only position have changed by so much since the open."""
    Position.objects.filter(account=account).update(
        daily_change=Decimal(str(change)), market_value=Decimal(10_000) + Decimal(str(change))
    )
    recalculate([Portfolio.objects.get(owner_id=account.owner_id, holds_all=True).pk])


def told() -> list[str]:
    return list(AlertEvent.objects.order_by("pk").values_list("title", flat=True))


def test_last_figures_of_each_session_stay(account: Account) -> None:
    move(account, 50)
    move(account, 100)
    with time_machine.travel(NOON + timedelta(days=1), tick=False):
        move(account, -20)
    days = PortfolioDay.objects.order_by("session_date").values_list(
        "session_date", "value", "daily_change", "daily_change_percent", "currency"
    )
    found: list[tuple[Any, ...]] = list(days)
    assert found == [
        (MONDAY, 10_100, 100, 1, "USD"),
        (MONDAY + timedelta(days=1), 9_980, -20, Decimal("-0.2"), "USD"),
    ]


def test_weekend_belongs_to_the_session_before(account: Account) -> None:
    with time_machine.travel(NOON + timedelta(days=5), tick=False):
        move(account, 30)
    assert PortfolioDay.objects.get().session_date == date(2026, 12, 4)


def test_move_is_told_at_each_step_and_not_again(account: Account) -> None:
    Portfolio.objects.update(notice_percent=1)
    for minute, change in enumerate((50, 99.99, 100, 150, 90, 120, 310, 250, -100, -150)):
        with time_machine.travel(NOON + timedelta(minutes=minute), tick=False):
            move(account, change)
    assert told() == [
        "All accounts: up 1.00 % today",
        "All accounts: up 3.10 % today",
        "All accounts: down 1.00 % today",
    ]
    event = AlertEvent.objects.order_by("pk").first()
    assert event is not None
    assert (event.user, event.kind) == (account.owner, "book")
    assert event.text == "30 Nov 2026: +100 (+1.00 %) USD, value 10,100."


def test_next_session_begins_anew_and_nobody_is_told_unasked(account: Account) -> None:
    move(account, 500)
    assert told() == []
    Portfolio.objects.update(notice_percent=Decimal("2.5"))
    move(account, 500)
    with time_machine.travel(NOON + timedelta(days=1), tick=False):
        move(account, 260)
    assert told() == ["All accounts: up 5.00 % today", "All accounts: up 2.60 % today"]


def test_session_is_summed_up_once_after_its_close(account: Account) -> None:
    Portfolio.objects.update(daily_summary=True)
    PositionFactory.create(
        account=account, underlying="AAPL", market_value=5_000, daily_change=-250, currency="USD"
    )
    recalculate([Portfolio.objects.get().pk])
    counts = []
    for hours, minutes in ((0, 0), (4, 0), (4, 14), (4, 15), (4, 20), (9, 0)):
        with time_machine.travel(NOON + timedelta(hours=hours, minutes=minutes), tick=False):
            counts.append(summarise_days())
    assert counts == [0, 0, 0, 1, 0, 0]
    event = AlertEvent.objects.get()
    assert event.title == "All accounts: the day"
    assert event.text == ("30 Nov 2026: -250 (-1.64 %) USD, value 15,000. Most: AAPL -250.")


def test_summary_names_what_moved_the_book_and_was_closed(account: Account) -> None:
    Portfolio.objects.update(daily_summary=True)
    Account.objects.update(last_synced_at=NOON)
    sold = resolve_instruments([stock("TSLA")]).popitem()[1]
    StoredQuote.objects.create(
        instrument=sold, symbol="TSLA", source="ibkr", as_of=NOON, opening_price=200
    )
    traded(account, stock("TSLA"), Side.SELL, 10, "150")
    move(account, 100)
    with time_machine.travel(NOON + timedelta(hours=4, minutes=15), tick=False):
        assert summarise_days() == 1
    text = "30 Nov 2026: -400 (-3.33 %) USD, value 10,100. Most: TSLA -500, SPY +100."
    assert AlertEvent.objects.get().text == text


def test_owner_who_lost_an_account_is_told_nothing_of_it(account: Account) -> None:
    Portfolio.objects.update(daily_summary=True)
    move(account, 100)
    owner = account.owner
    account.owner = UserFactory.create()
    account.save()
    with time_machine.travel(NOON + timedelta(hours=5), tick=False):
        assert summarise_days() == 0
    assert not AlertEvent.objects.filter(user=owner).exists()


def test_days_and_notices_by_api_are_the_owners(account: Account, client: Client) -> None:
    move(account, 100)
    pk = Portfolio.objects.get(owner=account.owner).pk
    client.force_login(account.owner)
    (day,) = client.get(f"{ALL}/{pk}/days").json()["days"]
    assert (day["session_date"], day["value"], day["daily_change"]) == ("2026-11-30", 10_100, 100)
    assert client.get(f"{ALL}/{pk}/days?end=2026-11-29").json()["days"] == []

    answer = send(client, pk, notice_percent=1.5, daily_summary=True)
    assert (answer.json()["notice_percent"], answer.json()["daily_summary"]) == (1.5, True)
    for wrong in (0, 0.09, 101, "1"):
        assert send(client, pk, notice_percent=wrong, daily_summary=True).status_code == 400

    client.force_login(UserFactory.create())
    assert client.get(f"{ALL}/{pk}/days").status_code == 404
    assert send(client, pk, notice_percent=None, daily_summary=False).status_code == 404
    assert Portfolio.objects.get(pk=pk).daily_summary


def send(client: Client, pk: int, **values: Any) -> Any:
    return client.put(f"{ALL}/{pk}/notices", values, content_type="application/json")


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("1.25", Decimal("1.25")), ("", None), ("x", 7), ("NaN", 7), ("1e9", 7), ("0", 7), ("²", 7)],
)
def test_form_keeps_what_it_was_when_a_number_is_wrong(
    account: Account, client: Client, typed: str, stored: Any
) -> None:
    Portfolio.objects.update(notice_percent=7)
    client.force_login(account.owner)
    pk = Portfolio.objects.get().pk
    client.post(f"/portfolios/{pk}/notices", {"notice_percent": typed, "daily_summary": "on"})
    row = Portfolio.objects.get()
    assert row.notice_percent == stored
    assert row.daily_summary is (stored != 7)
    page = client.get("/portfolios").content.decode()
    assert (f'value="{stored}' in page) is (stored is not None)
    # A browser sends the form with any number that is kept.
    assert 'step="0.01"' in page
