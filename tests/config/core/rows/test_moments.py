"""Moments read as numbers: the same instants, and the same days, as Python's own."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.db.models import FloatField
from django.db.models.functions import Cast

from config.core.rows.moments import Moment, Quarter, days_in, moments_of
from config.core.rows.reading import floats_of, read_numbers
from portfolio.models import AccountDay
from tests.factories import AccountFactory

ZONES = ("America/New_York", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Chatham", "UTC")


@pytest.mark.parametrize("name", ZONES)
def test_days_are_those_of_the_zone_on_both_sides_of_each_change_of_its_clock(name: str) -> None:
    zone = ZoneInfo(name)
    first = datetime(2025, 1, 1, tzinfo=UTC)
    moments = [first + timedelta(minutes=37 * number) for number in range(14_500)]
    column = np.array([at.replace(tzinfo=None) for at in moments], dtype="datetime64[us]")
    assert days_in(column, zone).tolist() == [at.astimezone(zone).date() for at in moments]


def test_a_moment_that_is_not_known_has_no_day() -> None:
    column = np.array([None, "2026-11-27T02:00", None], dtype="datetime64[us]")
    found = days_in(column, ZoneInfo("America/New_York")).tolist()
    assert [str(day) for day in found] == ["None", "2026-11-26", "None"]


@pytest.mark.django_db
def test_a_moment_is_read_to_the_microsecond_and_grouped_within_its_day() -> None:
    account = AccountFactory()
    moments = [
        datetime(2026, 3, 8, 6, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 11, 27, 18, 0, tzinfo=UTC),
        datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    ]
    for number, at in enumerate(moments):
        AccountDay.objects.create(
            account=account, session_date=at.date(), as_of=at, positions=number,
            positions_without_greeks=0, source="ibkr",
        )  # fmt: skip
    rows = AccountDay.objects.order_by("positions").annotate(
        at=Moment("as_of"), quarter=Quarter("as_of"), day=Moment("session_date")
    )
    read_at, quarter, day = map(moments_of, read_numbers(rows, ("at", "quarter", "day")))
    naive = [each.replace(tzinfo=None) for each in moments]
    assert read_at.tolist() == naive
    assert day.astype("datetime64[D]").tolist() == [each.date() for each in naive]
    after = (read_at.astype(np.int64) - quarter.astype(np.int64)).tolist()
    assert all(0 <= each < 900_000_000 for each in after)
    assert read_numbers(rows.none(), ("at", "day")) == [(), ()]


@pytest.mark.django_db
def test_numbers_and_texts_of_a_row_stay_together_and_the_unknown_is_no_number() -> None:
    accounts = AccountFactory.create_batch(3)
    for account, known in zip(accounts, ("0.1", None, "-1234567.25"), strict=True):
        AccountDay.objects.create(
            account=account, session_date=date(2026, 3, 8), as_of=datetime(2026, 3, 8, tzinfo=UTC),
            positions=7, positions_without_greeks=0, source="ibkr", net_liquidation=known,
        )  # fmt: skip
    rows = AccountDay.objects.order_by("-account").annotate(
        worth=Cast("net_liquidation", FloatField())
    )
    for found, expected in ((rows, 3), (rows.filter(positions=8), 0)):
        worth, names, keys = read_numbers(
            found, ("worth", "account_id", "pk"), texts=("account_id",)
        )
        stored = list(found.values_list("net_liquidation", "account_id", "pk"))
        assert len(stored) == len(names) == expected
        np.testing.assert_array_equal(floats_of(worth), floats_of([row[0] for row in stored]))
        assert list(names) == [row[1] for row in stored]
        assert list(keys) == [row[2] for row in stored]
