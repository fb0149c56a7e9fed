"""The days that the market's pickers offer: kept by the write that stores minutes."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from greeks.market.pickers import instrument_choices, instruments_body
from greeks.minutes.rows import write_rows
from greeks.models import GreekSnapshot, StoredDay
from tests.greeks.market import stored

pytestmark = pytest.mark.django_db

AT = stored.OPENING + timedelta(hours=1)


def row(minute: int, *, seen: int = 12, day: int = 0) -> dict[str, Any]:
    at = stored.OPENING + timedelta(minutes=minute, days=day)
    made = stored.snapshot(at, seed=minute, samples_seen=seen, session_date=at.date())
    values = {field.attname: getattr(made, field.attname) for field in GreekSnapshot._meta.fields}
    return values | ({} if seen else {"as_of": None})


def kept() -> list[tuple[Any, ...]]:
    return list(StoredDay.objects.values_list("session_date", "expiry", "as_of"))


def test_writing_minutes_keeps_their_day_once_with_its_latest_sample() -> None:
    first, second = row(0), row(1)
    for rows in ([second], [first], [first, second]):
        write_rows(rows)
    assert kept() == [(stored.DAY, stored.EXPIRY, second["as_of"])]


def test_day_of_gaps_alone_is_not_offered() -> None:
    write_rows([row(0, seen=0), row(1, seen=0)])
    assert kept() == []


def test_row_that_was_not_better_changes_no_day() -> None:
    write_rows([row(5)])
    before = kept()
    write_rows([row(5, seen=3) | {"as_of": AT}])
    assert kept() == before


def test_pickers_read_no_minutes() -> None:
    stored.session()
    nifty = stored.polled_instrument()
    write_rows([row(0, day=-1), row(0), row(1)])
    with CaptureQueriesContext(connection) as queries:
        choices = instrument_choices(nifty, AT)
        (listed,) = instruments_body(AT).instruments
    assert not any("greek_snapshots" in query["sql"] for query in queries)
    assert choices["dates"] == (stored.DAY - timedelta(days=1), stored.DAY)
    assert list(listed.dates) == list(choices["dates"])
    assert listed.as_of == row(1)["as_of"]


def test_minutes_stored_before_the_table_are_found_by_the_migration() -> None:
    for values in (row(0), row(1), row(2, seen=0), row(0, day=-1)):
        GreekSnapshot.objects.create(**values)
    operations = import_module("greeks.migrations.0010_stored_days").Migration.operations
    with connection.cursor() as cursor:
        cursor.execute(operations[-1].sql)
    day_before = row(0, day=-1)
    assert kept() == [
        (day_before["session_date"], stored.EXPIRY, day_before["as_of"]),
        (stored.DAY, stored.EXPIRY, row(1)["as_of"]),
    ]
