"""The exchange calendar by hand: Muhurat sessions, closed days, confirmed years, its end."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.test import Client

from config.core.health import run_checks
from greeks.calendar.coverage import calendar_note, calendar_states
from greeks.calendar.seeding import confirm_session_years, seed_exchange_sessions
from greeks.calendar.sessions import (
    calendar_known_until,
    current_session,
    forget_sessions,
    session_on,
)
from greeks.models import ExchangeSession
from tests.factories import UserFactory
from tests.greeks.alerts.rows import nifty

pytestmark = [pytest.mark.django_db, pytest.mark.database, pytest.mark.any_database]

LIST = "/admin/greeks/exchangesession/"
ADD = f"{LIST}add/"
DIWALI = date(2026, 11, 8)
Kind = ExchangeSession.Kind


@pytest.fixture(autouse=True)
def _calendar() -> None:
    ExchangeSession.objects.all().delete()
    seed_exchange_sessions(exchange="NYSE", from_year=2026, to_year=2027)
    seed_exchange_sessions(exchange="NSE", from_year=2026, to_year=2027)


@pytest.fixture
def admin() -> Client:
    client = Client()
    # Hours are the exchange's, whatever zone the operator sees times in.
    client.force_login(
        UserFactory.create(is_staff=True, is_superuser=True, time_zone="America/New_York")
    )
    return client


def session(**fields: object) -> dict[str, object]:
    return {
        "exchange": "NSE",
        "session_date": "2026-11-08",
        "kind": "special",
        "opens": "18:00",
        "closes": "19:00",
        "note": "Muhurat trading",
        **fields,
    }


def test_muhurat_session_is_entered_by_the_exchanges_clock(admin: Client) -> None:
    assert admin.post(ADD, session()).status_code == 302
    entered = session_on("NSE", DIWALI)
    assert entered is not None
    assert (entered.opens_at, entered.closes_at) == (
        datetime(2026, 11, 8, 12, 30, tzinfo=UTC),
        datetime(2026, 11, 8, 13, 30, tzinfo=UTC),
    )
    row = ExchangeSession.objects.get(session_date=DIWALI)
    assert row.edited
    assert 'value="18:00"' in admin.get(f"{LIST}{row.pk}/change/").content.decode()
    seed_exchange_sessions(exchange="NSE", from_year=2026, to_year=2026)
    assert current_session("NSE", entered.opens_at) == entered


def test_day_is_closed_by_hand_without_hours(admin: Client) -> None:
    closing = session(session_date="2026-11-27", kind="closed", opens="", closes="", note="Flood")
    assert admin.post(ADD, closing).status_code == 302
    assert session_on("NSE", date(2026, 11, 27)) is None
    seed_exchange_sessions(exchange="NSE", from_year=2026, to_year=2026)
    assert session_on("NSE", date(2026, 11, 27)) is None


def test_selected_days_are_closed_together(admin: Client) -> None:
    rows = ExchangeSession.objects.filter(
        exchange="NSE", session_date__in=[date(2026, 11, 26), date(2026, 11, 27)]
    )
    chosen = {"action": "close_days", "_selected_action": [row.pk for row in rows]}
    answer = admin.post(LIST, chosen, follow=True)
    assert "2 sessions closed." in answer.content.decode()
    assert session_on("NSE", date(2026, 11, 27)) is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"closes": "17:00"}, "Closes before it opens."),
        ({"opens": ""}, "Required, except for a closed day."),
        ({"opens": "noon"}, "Enter a valid time."),
        ({"exchange": "MOON"}, "Select a valid choice."),
        (
            {"session_date": "2026-11-27", "opens": "15:00"},
            "Overlaps the day’s regular session, 09:15 IST to 15:30 IST.",
        ),
        ({"session_date": "2026-11-27", "kind": "regular"}, "already exists"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    admin: Client, fields: dict[str, object], problem: str
) -> None:
    answer = admin.post(ADD, session(**fields))
    assert answer.status_code == 200
    shown = answer.content.decode().replace("&#x27;", "’")
    assert problem in shown


def test_evening_session_may_follow_the_days_regular_one(admin: Client) -> None:
    assert admin.post(ADD, session(session_date="2026-11-27")).status_code == 302
    evening = current_session("NSE", datetime(2026, 11, 27, 12, 45, tzinfo=UTC))
    assert evening is not None
    assert evening.kind == Kind.SPECIAL


def test_list_says_how_far_the_calendar_is_known_and_what_is_awaited(admin: Client) -> None:
    with time_machine.travel(datetime(2026, 11, 2, 12, tzinfo=UTC), tick=False):
        admin.force_login(UserFactory.create(is_staff=True, is_superuser=True))
        body = admin.get(LIST).content.decode()
    assert "calendar known until 31 Dec 26" in body
    assert "Enter the hours of Muhurat trading, 8 Nov 2026" in body
    assert "session_date=2026-11-08" in body
    filled = admin.get(f"{ADD}?exchange=NSE&kind=special&session_date=2026-11-08")
    assert 'value="2026-11-08"' in filled.content.decode()


def test_diwali_without_hours_has_a_note_until_they_are_entered(admin: Client) -> None:
    assert calendar_note("NSE", DIWALI).startswith("Muhurat trading: a session is held today")
    assert calendar_note("NSE", date(2026, 11, 9)) == ""
    before = {each.exchange: each for each in calendar_states(datetime(2026, 11, 2, tzinfo=UTC))}
    assert before["NSE"].awaited == ((DIWALI, "Muhurat trading"),)
    admin.post(ADD, session())
    assert calendar_note("NSE", DIWALI) == ""
    after = {each.exchange: each for each in calendar_states(datetime(2026, 11, 2, tzinfo=UTC))}
    assert after["NSE"].awaited == ()


def test_one_session_by_hand_does_not_make_its_year_known(admin: Client) -> None:
    admin.post(ADD, session(session_date="2027-10-29"))
    assert calendar_known_until("NSE") == date(2026, 12, 31)


def test_confirmed_year_is_known_and_stays_so(admin: Client) -> None:
    row = ExchangeSession.objects.filter(exchange="NSE", session_date__year=2027).earliest(
        "session_date"
    )
    chosen = {"action": "confirm_years", "_selected_action": [row.pk]}
    answer = admin.post(LIST, chosen, follow=True)
    assert "provisional sessions confirmed" in answer.content.decode()
    seed_exchange_sessions(exchange="NSE", from_year=2027, to_year=2027)
    forget_sessions()
    assert calendar_known_until("NSE") == date(2027, 12, 31)
    assert confirm_session_years(exchange="NSE", year=2027) == 0


@pytest.mark.parametrize(
    ("day", "is_used", "status"),
    [
        (date(2026, 12, 17), True, "ok"),
        (date(2026, 12, 18), True, "degraded"),
        (date(2026, 12, 18), False, "ok"),
    ],
)
def test_health_is_degraded_within_two_weeks_of_a_used_calendars_end(
    day: date, is_used: bool, status: str
) -> None:
    nifty(enabled=is_used)
    with time_machine.travel(datetime(day.year, day.month, day.day, 6, tzinfo=UTC), tick=False):
        result = run_checks().checks["calendar"]
    assert result.status == status
    expected = "NSE is known until 2026-12-31" if status == "degraded" else ""
    assert result.detail == expected


def test_long_transaction_reads_the_calendar_once(django_assert_num_queries: Any) -> None:
    forget_sessions()
    with django_assert_num_queries(1):
        for day in range(1, 28):
            session_on("NYSE", date(2026, 2, day))


@pytest.mark.django_db(transaction=True)
def test_edit_that_is_taken_back_is_not_kept() -> None:
    day = date(2026, 2, 5)
    with transaction.atomic():
        ExchangeSession.objects.get(exchange="NYSE", session_date=day).delete()
        assert session_on("NYSE", day) is None
        transaction.set_rollback(True)
    assert session_on("NYSE", day) is not None
