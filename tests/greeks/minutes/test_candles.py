from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.db import close_old_connections, connections
from redis.exceptions import RedisError

from config.core.errors import InvalidInput
from config.core.redis.client import redis_client, reset_guards
from greeks.chains import SIDES, SUMMED_GREEKS
from greeks.minutes.rebuild import rebuild
from greeks.minutes.roll_up import roll_up_due
from greeks.models import ExchangeSession, GreekSnapshot, PolledInstrument
from greeks.models.greek_snapshot import CANDLE_FIELDS, VENDOR_FIELDS
from greeks.polling.samples import samples_key
from greeks.signals import minute_closed
from tests.announcements import Announcements
from tests.greeks.conftest import Desk
from tests.greeks.maths.test_aggregation import exact_sums
from tests.greeks.rolling import roll_up
from tests.greeks.scripted import CLOSES, EXPIRY, LATER, OPENS, chain_at

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
OnCommit = Callable[..., Any]


def rows(**by: Any) -> list[GreekSnapshot]:
    return list(GreekSnapshot.objects.filter(**by).order_by("expiry", "minute"))


def numbers(row: GreekSnapshot) -> dict[str, Any]:
    return {name: getattr(row, name) for name in (*CANDLE_FIELDS, *VENDOR_FIELDS)} | {
        "buckets": bytes(row.delta_buckets or b""),
        "spot": row.spot,
        "seen": row.samples_seen,
    }


@pytest.fixture
def closed_minutes() -> Iterator[list[dict[str, Any]]]:
    heard: list[dict[str, Any]] = []

    def hear(**said: Any) -> None:
        heard.append({name: said[name] for name in ("slug", "expiry", "minute")})

    minute_closed.connect(hear)
    yield heard
    minute_closed.disconnect(hear)


def test_row_is_the_candle_of_its_samples(desk: Desk) -> None:
    desk.poll_minute(OPENS)
    desk.roll_up(OPENS + MINUTE + SECOND)

    (row,) = rows()
    sums = np.array([exact_sums(chain_at(OPENS + second * SECOND)) for second in range(0, 60, 5)])
    for side, name in enumerate(SIDES):
        for greek, word in enumerate(SUMMED_GREEKS):
            values = sums[:, side, greek].tolist()
            parts = [
                getattr(row, f"{name}_{word}_{part}") for part in ("open", "high", "low", "close")
            ]
            assert parts == [values[0], max(values), min(values), values[-1]]
    last = chain_at(OPENS + 55 * SECOND)
    assert (row.minute, row.session_date) == (OPENS, date(2026, 11, 27))
    assert (row.samples_seen, row.samples_expected, row.contracts) == (12, 12, 80)
    assert (row.spot, row.as_of, row.source) == (last.spot, last.as_of, "scripted")
    assert row.call_open_interest == last.open_interest[last.is_call].sum()
    buckets = np.frombuffer(bytes(row.delta_buckets or b""), dtype="<f8").reshape(2, 20, 5)
    assert buckets[..., -1].sum() == 80


def test_rolling_up_twice_changes_nothing(desk: Desk) -> None:
    desk.poll_minute(OPENS)
    desk.roll_up(OPENS + MINUTE + SECOND)
    before = [(row.pk, row.updated_at, numbers(row)) for row in rows()]
    desk.roll_up(OPENS + MINUTE + 2 * SECOND)
    roll_up(slug="nifty-50", expiry=EXPIRY, minute=OPENS)

    assert [(row.pk, row.updated_at, numbers(row)) for row in rows()] == before


def test_minute_that_is_not_over_is_left(desk: Desk) -> None:
    desk.poll_minute(OPENS, seconds=range(0, 30, 5))
    desk.roll_up(OPENS + MINUTE - SECOND)

    assert rows() == []


def test_sample_that_came_late_is_rolled_up_again(desk: Desk) -> None:
    desk.poll_minute(OPENS, seconds=range(0, 55, 5))
    desk.roll_up(OPENS + MINUTE + SECOND)
    desk.poll(OPENS + 55 * SECOND)
    desk.roll_up(OPENS + 2 * MINUTE + SECOND)

    (row, gap) = rows()
    assert (row.samples_seen, row.spot) == (12, chain_at(OPENS + 55 * SECOND).spot)
    assert gap.samples_seen == 0


def test_minute_without_samples_is_a_marked_gap(desk: Desk) -> None:
    desk.poll_minute(OPENS)
    desk.poll_minute(OPENS + 2 * MINUTE)
    desk.roll_up(OPENS + 3 * MINUTE + SECOND)

    before, gap, after = rows()
    assert (before.samples_seen, gap.samples_seen, after.samples_seen) == (12, 0, 12)
    assert gap.samples_expected == 12
    assert {getattr(gap, name) for name in (*CANDLE_FIELDS, *VENDOR_FIELDS)} == {None}
    assert (gap.spot, gap.delta_buckets, gap.as_of, gap.contracts) == (None,) * 4


def test_minute_with_some_samples_says_how_many(desk: Desk) -> None:
    desk.poll_minute(OPENS, seconds=range(0, 60, 20))
    desk.roll_up(OPENS + MINUTE + SECOND)

    (row,) = rows()
    assert (row.samples_seen, row.samples_expected) == (3, 12)


def test_rows_are_rebuilt_from_the_samples_as_they_were_stored(desk: Desk) -> None:
    for number in range(5):
        desk.poll_minute(OPENS + number * MINUTE, seconds=range(0, 60, 5 + 5 * (number % 2)))
    end = OPENS + 5 * MINUTE
    desk.roll_up(end + SECOND)
    stored = [numbers(row) for row in rows()]
    GreekSnapshot.objects.all().delete()

    rebuilt = rebuild(slug="nifty-50", start=OPENS, end=end, at=end + MINUTE)

    assert [numbers(row) for row in rows()] == stored
    assert [each.written for each in rebuilt] == [True] * 5


def test_lost_stream_makes_no_row_worse(desk: Desk) -> None:
    desk.poll_minute(OPENS)
    desk.roll_up(OPENS + MINUTE + SECOND)
    stored = [numbers(row) for row in rows()]
    redis_client().delete(samples_key("nifty-50", EXPIRY))
    desk.poll_minute(OPENS + MINUTE, seconds=range(30, 60, 5))

    end = OPENS + 2 * MINUTE
    rebuilt = rebuild(slug="nifty-50", start=OPENS, end=end, at=end + SECOND)

    assert [each.written for each in rebuilt] == [False, True]
    assert [numbers(row) for row in rows()][:1] == stored
    assert rows()[1].samples_seen == 6


def test_while_redis_is_away_no_gap_is_claimed(desk: Desk, settings: Any, tmp_path: Any) -> None:
    desk.poll_minute(OPENS)
    address = settings.REDIS_URL
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock?db=0"
    desk.roll_up(OPENS + MINUTE + SECOND)
    assert rows() == []
    with pytest.raises(RedisError):
        roll_up(slug="nifty-50", expiry=EXPIRY, minute=OPENS)

    settings.REDIS_URL = address
    reset_guards()
    desk.roll_up(OPENS + 2 * MINUTE + SECOND)

    assert [row.samples_seen for row in rows()] == [12, 0]


def test_what_is_behind_is_found_from_the_opening_on(desk: Desk) -> None:
    desk.poll_minute(OPENS + timedelta(minutes=180))
    desk.roll_up(OPENS + timedelta(minutes=181, seconds=1))

    found = rows()
    assert [row.minute for row in found] == [OPENS + number * MINUTE for number in range(181)]
    assert [row.samples_seen for row in found] == [0] * 180 + [12]


def test_last_minute_is_rolled_up_after_the_close_and_nothing_follows(desk: Desk) -> None:
    desk.poll_minute(CLOSES - MINUTE)
    for later in (SECOND, MINUTE, timedelta(hours=1)):
        desk.roll_up(CLOSES + later)

    found = rows()
    assert len(found) == 375
    assert (found[-1].minute, found[-1].samples_seen) == (CLOSES - MINUTE, 12)


def test_long_after_the_close_a_day_is_left_as_it_is(desk: Desk) -> None:
    desk.roll_up(CLOSES + timedelta(hours=2, minutes=1))

    assert rows() == []


def test_holiday_has_no_minutes(desk: Desk) -> None:
    # Christmas.
    desk.roll_up(datetime(2026, 12, 25, 6, 0, tzinfo=UTC))

    assert rows() == []


def test_muhurat_session_has_its_own_minutes(desk: Desk) -> None:
    day = date(2026, 11, 8)
    opens = datetime(2026, 11, 8, 12, 30, tzinfo=UTC)
    ExchangeSession.objects.create(
        exchange="NSE",
        session_date=day,
        opens_at=opens,
        closes_at=opens + timedelta(hours=1),
        kind=ExchangeSession.Kind.SPECIAL,
        note="Muhurat trading",
    )
    desk.poll_minute(opens + 59 * MINUTE)
    desk.roll_up(opens + timedelta(hours=1, seconds=1))

    found = rows()
    assert len(found) == 60
    assert {row.session_date for row in found} == {day}
    assert found[-1].samples_seen == 12


def test_half_day_ends_early(desk: Desk) -> None:
    PolledInstrument.objects.update(exchange="NYSE", currency="USD")
    # The day after Thanksgiving: New York closes at 13:00.
    opens = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
    desk.roll_up(opens + timedelta(hours=4))

    assert len(rows()) == 210


def test_expired_chain_keeps_its_last_minute_and_the_next_one_begins(desk: Desk) -> None:
    expires = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
    desk.roll_up(expires + SECOND)
    next_opening = datetime(2026, 12, 2, 3, 45, tzinfo=UTC)
    desk.roll_up(next_opening + MINUTE + SECOND)

    last = rows(expiry=EXPIRY)[-1]
    assert last.minute == expires - MINUTE
    assert [row.minute for row in rows(expiry=LATER)] == [next_opening]


def test_disabled_instrument_is_left(desk: Desk) -> None:
    PolledInstrument.objects.update(enabled=False)
    desk.roll_up(OPENS + 3 * MINUTE)

    assert rows() == []


def test_minutes_are_told_after_the_commit(
    desk: Desk,
    closed_minutes: list[dict[str, Any]],
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    desk.poll_minute(OPENS)
    heard = Announcements()
    with django_capture_on_commit_callbacks() as callbacks:
        desk.roll_up(OPENS + MINUTE + SECOND)
    assert (closed_minutes, heard.received()) == ([], [])

    for callback in callbacks:
        callback()

    assert closed_minutes == [{"slug": "nifty-50", "expiry": EXPIRY, "minute": OPENS}]
    ((group, message),) = heard.received()
    heard.close()
    assert group == "market.nifty-50.2026-12-01"
    assert message["type"] == "market.minute_closed"
    assert message["minute"] == "2026-11-27T09:15:00+05:30"
    assert (message["samples_seen"], message["samples_expected"]) == (12, 12)


def test_minute_that_was_not_written_is_not_told(
    desk: Desk,
    closed_minutes: list[dict[str, Any]],
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    desk.poll_minute(OPENS)
    desk.roll_up(OPENS + MINUTE + SECOND)
    with django_capture_on_commit_callbacks(execute=True):
        desk.roll_up(OPENS + MINUTE + 2 * SECOND)
        roll_up(slug="nifty-50", expiry=EXPIRY, minute=OPENS)

    assert closed_minutes == []


@pytest.mark.parametrize(
    ("start", "end", "named"),
    [
        (OPENS + MINUTE, OPENS + MINUTE, "to"),
        (OPENS + MINUTE, OPENS, "to"),
        (OPENS.replace(tzinfo=None), OPENS + MINUTE, "from"),
        (OPENS + timedelta(hours=5), OPENS + timedelta(hours=6), "from"),
        (OPENS - timedelta(days=8), OPENS, "from"),
        # The night before.
        (OPENS - timedelta(hours=5), OPENS - timedelta(hours=4), "from"),
    ],
)
def test_impossible_range_is_refused_by_name(
    start: datetime, end: datetime, named: str, instrument: PolledInstrument
) -> None:
    if start.tzinfo is None:
        end = OPENS + MINUTE
    with pytest.raises(InvalidInput) as refused:
        rebuild(slug="nifty-50", start=start, end=end, at=OPENS + timedelta(hours=1))

    assert list(refused.value.fields) == [named]


@pytest.mark.django_db(transaction=True)
def test_roll_ups_at_the_same_moment_leave_one_row(desk: Desk) -> None:
    desk.poll_minute(OPENS)
    start = threading.Barrier(4)
    written: list[bool] = []

    def race() -> None:
        close_old_connections()
        try:
            start.wait()
            at = OPENS + MINUTE + SECOND
            written.extend(each.written for each in roll_up_due(at=at))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(written) == 1
    assert [row.samples_seen for row in rows()] == [12]
