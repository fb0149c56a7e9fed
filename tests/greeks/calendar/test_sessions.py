"""The exchange calendar: real holidays, half days, daylight saving, manual edits."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from config.core.errors import InvalidInput
from greeks.calendar.exchanges import EXCHANGES
from greeks.calendar.seeding import seed_exchange_sessions
from greeks.calendar.sessions import (
    calendar_known_until,
    current_session,
    forget_sessions,
    session_dates,
    session_on,
)
from greeks.models import ExchangeSession

pytestmark = [pytest.mark.django_db, pytest.mark.database, pytest.mark.any_database]

Kind = ExchangeSession.Kind


@pytest.fixture(autouse=True)
def _calendar() -> None:
    ExchangeSession.objects.all().delete()
    seed_exchange_sessions(exchange="NYSE", from_year=2024, to_year=2027)
    seed_exchange_sessions(exchange="NSE", from_year=2023, to_year=2027)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def session_days(exchange: str) -> set[date]:
    return set(
        ExchangeSession.objects.filter(exchange=exchange).values_list("session_date", flat=True)
    )


def weekdays_without_session(exchange: str, from_year: int, to_year: int) -> list[date]:
    open_days = session_days(exchange)
    length = (date(to_year + 1, 1, 1) - date(from_year, 1, 1)).days
    days = [date(from_year, 1, 1) + timedelta(days=n) for n in range(length)]
    return [day for day in days if day.weekday() < 5 and day not in open_days]


# --- NYSE -------------------------------------------------------------------------------------
# https://www.nyse.com/markets/hours-calendars, all holidays that the exchange lists for 2026, 2027.
NYSE_CLOSED = [
    *[date(2026, m, d) for m, d in (
        (1, 1), (1, 19), (2, 16), (4, 3), (5, 25), (6, 19), (7, 3), (9, 7), (11, 26), (12, 25),
    )],
    *[date(2027, m, d) for m, d in (
        (1, 1), (1, 18), (2, 15), (3, 26), (5, 31), (6, 18), (7, 5), (9, 6), (11, 25), (12, 24),
    )],
]  # fmt: skip


def test_nyse_trades_on_every_weekday_but_the_announced_holidays() -> None:
    assert weekdays_without_session("NYSE", 2026, 2027) == NYSE_CLOSED
    assert not any(day.weekday() >= 5 for day in session_days("NYSE"))


def hours_on(exchange: str, *days: date) -> list[tuple[str, datetime, datetime]]:
    sessions = [session_on(exchange, day) for day in days]
    return [(row.kind, row.opens_at, row.closes_at) for row in sessions if row is not None]


def test_nyse_half_days_close_at_one_in_new_york() -> None:
    closes = [
        utc(2024, 7, 3, 17), utc(2024, 11, 29, 18), utc(2024, 12, 24, 18), utc(2025, 7, 3, 17),
        utc(2026, 11, 27, 18), utc(2026, 12, 24, 18), utc(2027, 11, 26, 18),
    ]  # fmt: skip
    found = hours_on("NYSE", *(at.date() for at in closes))
    assert [(kind, closes_at) for kind, _, closes_at in found] == [
        (Kind.HALF_DAY, at) for at in closes
    ]


def test_days_that_look_like_half_days_are_full_days() -> None:
    # The 2nd of July 2026 precedes the observed holiday, which gives no half day.
    days = (date(2026, 7, 2), date(2027, 7, 2), date(2027, 12, 23), date(2026, 12, 31))
    assert [kind for kind, *_ in hours_on("NYSE", *days)] == [Kind.REGULAR] * 4


def test_nyse_hours_follow_daylight_saving_both_ways() -> None:
    # Daylight saving starts on 2026-03-08 and ends on 2026-11-01.
    hours = [
        (Kind.REGULAR, utc(2026, 3, 6, 14, 30), utc(2026, 3, 6, 21)),
        (Kind.REGULAR, utc(2026, 3, 9, 13, 30), utc(2026, 3, 9, 20)),
        (Kind.REGULAR, utc(2026, 10, 30, 13, 30), utc(2026, 10, 30, 20)),
        (Kind.REGULAR, utc(2026, 11, 2, 14, 30), utc(2026, 11, 2, 21)),
    ]
    assert hours_on("NYSE", *(opens_at.date() for _, opens_at, _ in hours)) == hours


def test_one_off_closure_is_known() -> None:
    # National day of mourning for President Carter.
    assert session_on("NYSE", date(2025, 1, 9)) is None


# --- NSE --------------------------------------------------------------------------------------
# Circular CMTR71775, and the election day announced later.
NSE_CLOSED_2026 = [
    date(2026, m, d) for m, d in (
        (1, 15), (1, 26), (3, 3), (3, 26), (3, 31), (4, 3), (4, 14), (5, 1), (5, 28), (6, 26),
        (9, 14), (10, 2), (10, 20), (11, 10), (11, 24), (12, 25),
    )
]  # fmt: skip


def test_nse_trades_on_every_weekday_of_2026_but_the_announced_holidays() -> None:
    assert weekdays_without_session("NSE", 2026, 2026) == NSE_CLOSED_2026


def test_nse_hours_do_not_know_daylight_saving() -> None:
    for day in (date(2026, 1, 5), date(2026, 7, 6)):
        session = session_on("NSE", day)
        assert session is not None
        assert (session.opens_at.time(), session.closes_at.time()) == (
            utc(2026, 1, 1, 3, 45).time(),
            utc(2026, 1, 1, 10, 0).time(),
        )


def test_nse_special_sessions_are_seeded_on_their_announced_hours() -> None:
    hours = [
        (Kind.SPECIAL, utc(2023, 11, 12, 12, 45), utc(2023, 11, 12, 13, 45)),
        (Kind.SPECIAL, utc(2024, 11, 1, 12, 30), utc(2024, 11, 1, 13, 30)),
        (Kind.SPECIAL, utc(2025, 10, 21, 8, 15), utc(2025, 10, 21, 9, 15)),
        (Kind.SPECIAL, utc(2026, 2, 1, 3, 45), utc(2026, 2, 1, 10)),
    ]
    assert hours_on("NSE", *(opens_at.date() for _, opens_at, _ in hours)) == hours
    for _, opens_at, _ in hours:
        assert current_session("NSE", opens_at) == session_on("NSE", opens_at.date())


def test_holiday_that_was_moved_is_on_its_new_day() -> None:
    assert session_on("NSE", date(2023, 6, 28)) is not None
    assert session_on("NSE", date(2023, 6, 29)) is None


def test_unannounced_year_is_provisional_and_not_counted_as_known() -> None:
    session = session_on("NSE", date(2027, 6, 1))
    assert session is not None
    assert session.is_provisional
    assert calendar_known_until("NSE") == date(2026, 12, 31)
    assert calendar_known_until("NYSE") == date(2027, 12, 31)


def test_exchange_without_rows_has_no_known_end() -> None:
    ExchangeSession.objects.filter(exchange="NSE").delete()
    forget_sessions()
    assert calendar_known_until("NSE") is None


# --- Questions about an instant ---------------------------------------------------------------
def test_session_is_open_from_its_opening_until_just_before_its_close() -> None:
    moments = {
        utc(2026, 11, 27, 14, 29): False,
        utc(2026, 11, 27, 14, 30): True,
        utc(2026, 11, 27, 17, 59): True,
        utc(2026, 11, 27, 18, 0): False,
        utc(2026, 11, 26, 16, 0): False,
        utc(1999, 1, 4, 16, 0): False,
    }
    assert {at: current_session("NYSE", at) is not None for at in moments} == moments


def test_fact_belongs_to_the_last_session_day_that_has_begun() -> None:
    expected = {
        utc(2026, 11, 20, 16): date(2026, 11, 20),  # in the session
        utc(2026, 11, 20, 11): date(2026, 11, 20),  # before the opening
        utc(2026, 11, 21, 2): date(2026, 11, 20),  # Friday evening in New York
        utc(2026, 11, 21, 16): date(2026, 11, 20),  # Saturday
        utc(2026, 11, 23, 4, 59): date(2026, 11, 20),  # just before New York's Monday
        utc(2026, 11, 23, 5, 0): date(2026, 11, 23),
        utc(2026, 11, 26, 16): date(2026, 11, 25),  # Thanksgiving
        utc(2026, 11, 27, 23): date(2026, 11, 27),  # after the half day's close
        utc(2027, 1, 1, 12): date(2026, 12, 31),  # holiday in a new year
    }
    assert {at: session_dates("NYSE")(at) for at in expected} == expected


def test_weekdays_count_where_the_calendar_is_unknown() -> None:
    expected = {
        utc(2035, 5, 12, 16): date(2035, 5, 11),  # Saturday after the last seeded year
        utc(2028, 1, 1, 16): date(2027, 12, 31),
        utc(2019, 5, 15, 16): date(2019, 5, 15),  # before the first seeded year
        utc(2019, 5, 19, 16): date(2019, 5, 17),
    }
    assert {at: session_dates("NYSE")(at) for at in expected} == expected


def test_session_dates_never_run_backwards() -> None:
    start = utc(2026, 10, 1)
    dates = [session_dates("NSE")(start + timedelta(hours=11 * n)) for n in range(60)]
    assert dates == sorted(dates)
    assert len(set(dates)) == 18


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidInput) as raised:
        session_dates("NYSE")(datetime(2026, 11, 20, 16))  # noqa: DTZ001
    assert "at" in raised.value.fields


@pytest.mark.parametrize("ask", [calendar_known_until, lambda e: session_on(e, date(2026, 1, 5))])
def test_unknown_exchange_is_refused_by_name(ask: object) -> None:
    with pytest.raises(InvalidInput, match="MOON"):
        ask("MOON")  # type: ignore[operator]


# --- Seeding ----------------------------------------------------------------------------------
def test_seeding_again_changes_nothing() -> None:
    before = list(ExchangeSession.objects.values_list())
    result = seed_exchange_sessions(exchange="NYSE", from_year=2024, to_year=2027)
    assert (result.created, result.updated, result.deleted) == (0, 0, 0)
    assert result.unchanged == ExchangeSession.objects.filter(exchange="NYSE").count()
    assert list(ExchangeSession.objects.values_list()) == before


def test_seeding_corrects_adds_and_removes_rows_that_nobody_edited() -> None:
    ExchangeSession.objects.filter(session_date=date(2026, 3, 9)).delete()
    ExchangeSession.objects.filter(session_date=date(2026, 3, 10), exchange="NYSE").update(
        closes_at=utc(2026, 3, 10, 19)
    )
    ExchangeSession.objects.create(
        exchange="NYSE",
        session_date=date(2026, 12, 25),
        opens_at=utc(2026, 12, 25, 14, 30),
        closes_at=utc(2026, 12, 25, 21),
    )
    result = seed_exchange_sessions(exchange="NYSE", from_year=2026, to_year=2026)
    assert (result.created, result.updated, result.deleted) == (1, 1, 1)
    assert session_on("NYSE", date(2026, 12, 25)) is None
    corrected = session_on("NYSE", date(2026, 3, 10))
    assert corrected is not None
    assert corrected.closes_at == utc(2026, 3, 10, 20)


def test_day_edited_by_hand_is_left_alone() -> None:
    regular = ExchangeSession.objects.get(exchange="NYSE", session_date=date(2026, 3, 10))
    regular.closes_at, regular.edited = utc(2026, 3, 10, 18), True
    regular.save()
    muhurat = ExchangeSession.objects.create(
        exchange="NSE",
        session_date=date(2026, 11, 8),
        opens_at=utc(2026, 11, 8, 12, 30),
        closes_at=utc(2026, 11, 8, 13, 30),
        kind=Kind.SPECIAL,
        edited=True,
    )
    results = [
        seed_exchange_sessions(exchange=exchange, from_year=2026, to_year=2026)
        for exchange in ("NYSE", "NSE")
    ]
    assert [result.days_left_alone for result in results] == [1, 1]
    kept = session_on("NYSE", date(2026, 3, 10))
    assert kept is not None
    assert kept.closes_at == utc(2026, 3, 10, 18)
    assert current_session("NSE", muhurat.opens_at) is not None


def test_day_closed_by_hand_stays_closed_after_seeding() -> None:
    row = ExchangeSession.objects.get(exchange="NYSE", session_date=date(2026, 3, 10))
    row.kind, row.edited = Kind.CLOSED, True
    row.save()
    seed_exchange_sessions(exchange="NYSE", from_year=2026, to_year=2026)
    assert session_on("NYSE", date(2026, 3, 10)) is None
    assert current_session("NYSE", utc(2026, 3, 10, 15)) is None
    assert session_dates("NYSE")(utc(2026, 3, 10, 15)) == date(2026, 3, 9)


@pytest.mark.parametrize(("from_year", "to_year"), [(1900, 2026), (2026, 2025), (2026, 9999)])
def test_impossible_years_are_refused(from_year: int, to_year: int) -> None:
    with pytest.raises(InvalidInput):
        seed_exchange_sessions(exchange="NYSE", from_year=from_year, to_year=to_year)


def test_every_regular_session_lasts_as_long_as_the_exchange_says() -> None:
    for name, exchange in EXCHANGES.items():
        length = datetime.combine(date.min, exchange.closes) - datetime.combine(
            date.min, exchange.opens
        )
        lengths = {
            row.closes_at - row.opens_at
            for row in ExchangeSession.objects.filter(exchange=name, kind=Kind.REGULAR)
        }
        assert lengths == {length}


# --- The process's copy -----------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_calendar_is_read_once_and_again_after_an_edit(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        session_on("NYSE", date(2026, 3, 10))
        current_session("NYSE", utc(2026, 3, 10, 15))
        session_dates("NYSE")(utc(2026, 3, 10, 15))
    ExchangeSession.objects.get(exchange="NYSE", session_date=date(2026, 3, 10)).delete()
    assert session_on("NYSE", date(2026, 3, 10)) is None


@pytest.mark.django_db(transaction=True)
def test_edit_that_is_rolled_back_is_not_remembered() -> None:
    session_on("NYSE", date(2026, 3, 10))

    def edit_and_fail() -> None:
        with transaction.atomic():
            ExchangeSession.objects.get(exchange="NYSE", session_date=date(2026, 3, 10)).delete()
            assert session_on("NYSE", date(2026, 3, 10)) is None
            raise RuntimeError("rolled back")

    with pytest.raises(RuntimeError):
        edit_and_fail()
    assert session_on("NYSE", date(2026, 3, 10)) is not None


# --- The command and the first migration --------------------------------------------------------
def test_command_says_what_it_did_as_text_and_as_json() -> None:
    ExchangeSession.objects.all().delete()
    text, data = StringIO(), StringIO()
    years = ["--from-year", "2026", "--to-year", "2026"]
    call_command("seed_sessions", "--exchange", "NYSE", *years, stdout=text)
    assert text.getvalue() == "NYSE 2026–2026: 251 created, 0 updated, 0 deleted, 0 unchanged\n"
    call_command("seed_sessions", "--json", *years, stdout=data)
    results = {row["exchange"]: row["unchanged"] for row in json.loads(data.getvalue())}
    assert results["NYSE"] == 251
    assert set(results) == set(EXCHANGES)


def test_command_refuses_impossible_years_in_one_line() -> None:
    with pytest.raises(CommandError, match="known from 1993"):
        call_command("seed_sessions", "--exchange", "NYSE", "--from-year", "1850")


def test_migrating_brings_the_calendar() -> None:
    ExchangeSession.objects.all().delete()
    call_command("migrate", verbosity=0)
    this_year = datetime.now(UTC).year
    for name in EXCHANGES:
        years = ExchangeSession.objects.filter(exchange=name).dates("session_date", "year")
        assert [day.year for day in years] == [this_year - 1, this_year, this_year + 1]
