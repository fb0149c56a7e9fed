"""The series of a session: compared with naive loops over the same rows, gaps included."""

from __future__ import annotations

import json
import random
import struct
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from config.core.clock import market_now
from config.core.errors import InvalidInput
from greeks.market.bodies.body import encode
from greeks.market.bodies.questions import (
    MarketQuestion,
    buckets_of,
    choice_for,
    question_of,
)
from greeks.market.bodies.series import series_of
from greeks.minutes.stored import Chain, read_rows
from greeks.models import GreekSnapshot, PolledInstrument
from tests.greeks.market import naive, stored

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def body_of(**chosen: Any) -> dict[str, Any]:
    asked = {"slug": "nifty", "expiry": stored.EXPIRY, "date": stored.DAY, **chosen}
    choice = choice_for(question_of(QueryDict(urlencode(asked))), market_now())
    return json.loads(encode(series_of(choice, read_rows(choice.chain))))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("resolution", "length"), [("1m", 1), ("5m", 5), ("15m", 15), ("1h", 60)])
def test_series_agree_with_naive_loops(
    nifty: PolledInstrument, seed: int, resolution: str, length: int
) -> None:
    numbers = random.Random(seed)
    missing = set(numbers.sample(range(74), 10))
    empty = set(numbers.sample(range(74), 10)) - missing
    if seed == 3:
        # A whole step without a value, and none at the opening.
        missing |= {0, 1, 2, 30, 31, 32, 33, 34}
    rows = stored.store(missing=missing, empty=empty - {0}, seed=seed)
    body = body_of(resolution=resolution)
    naive.assert_series(body, rows, minutes=74, length=length)
    gaps = naive.steps_of(naive.closes(rows, 74, "total", "vega", None), length)
    assert body["gap"] == [value is None for value in gaps]
    assert [naive.minute_of(text) for text in body["minutes"]] == list(range(0, 74, length))
    assert body["minutes"][0] == "2026-11-27T09:15:00+05:30"


@pytest.mark.parametrize(
    ("low", "high", "buckets"),
    [(0.0, 0.05, range(1)), (0.3, 0.7, range(6, 14)), (0.12, 0.33, range(2, 7)),
     (0.5, 0.5, range(10, 11)), (0.95, 1.0, range(19, 20)), (1.0, 1.0, range(19, 20))],
)  # fmt: skip
def test_range_of_delta_is_summed_from_whole_buckets(
    nifty: PolledInstrument, low: float, high: float, buckets: range
) -> None:
    rows = stored.store(missing={5, 6}, empty={9})
    body = body_of(delta_min=low, delta_max=high)
    naive.assert_series(body, rows, minutes=74, buckets=buckets)
    assert (body["delta_min"], body["delta_max"]) == (buckets.start / 20, buckets.stop / 20)
    assert body["vendor"] is None
    assert set(body["series"]["vega"]["total"]) == {"close", "change", "from_open", "crossed"}
    counted = body["contracts_in_range"]
    assert counted[5] is None
    assert counted[0] == _contracts(rows[0], buckets)


def _contracts(row: GreekSnapshot, buckets: range) -> float:
    numbers = struct.unpack("<200d", bytes(row.delta_buckets or b""))
    return sum(numbers[side * 100 + bucket * 5 + 4] for side in (0, 1) for bucket in buckets)


def test_range_and_resolution_together_agree_with_naive_loops(nifty: PolledInstrument) -> None:
    rows = stored.store(missing={0, 1, 7, 8, 9, 10, 11, 12}, empty={33})
    body = body_of(delta_min=0.2, delta_max=0.8, resolution="5m")
    naive.assert_series(body, rows, minutes=74, length=5, buckets=range(4, 16))


def test_candles_of_a_step_span_those_of_its_minutes(nifty: PolledInstrument) -> None:
    rows = stored.store(missing={1}, empty={4})
    total = body_of(resolution="5m")["series"]["gamma"]["total"]
    first = [row for row in rows[:4] if row.samples_seen]
    assert total["open"][0] == first[0].total_gamma_open  # type: ignore[attr-defined]
    assert total["high"][0] == max(row.total_gamma_high for row in first)  # type: ignore[attr-defined]
    assert total["low"][0] == min(row.total_gamma_low for row in first)  # type: ignore[attr-defined]
    assert total["close"][0] == first[-1].total_gamma_close  # type: ignore[attr-defined]


def test_base_is_the_opening_minute_or_the_first_that_has_a_value(nifty: PolledInstrument) -> None:
    stored.store(minutes=10)
    assert body_of()["base"] == {"minute": "2026-11-27T09:15:00+05:30", "is_opening": True}
    GreekSnapshot.objects.all().delete()
    stored.store(minutes=10, missing={0}, empty={1})
    body = body_of()
    assert body["base"] == {"minute": "2026-11-27T09:17:00+05:30", "is_opening": False}
    assert body["series"]["vega"]["total"]["from_open"][2] == 0
    GreekSnapshot.objects.all().delete()
    stored.store(minutes=10, empty=range(10))
    empty = body_of()
    assert empty["base"] is None
    assert set(empty["series"]["vega"]["total"]["from_open"]) == {None}


def test_minutes_that_should_be_stored_and_are_not_are_gaps(
    nifty: PolledInstrument, settings: Settings
) -> None:
    stored.store(minutes=3)
    body = body_of()
    # 10:28 should be there since 10:29:20; 10:29 may still be on its way.
    assert body["minutes"][-1] == "2026-11-27T10:28:00+05:30"
    assert body["gap"] == [False] * 3 + [True] * 71
    assert body["samples_seen"][3:] == [0] * 71
    assert body["samples_expected"][3:] == [12] * 71
    assert body["spot"][3:] == [None] * 71
    assert body["velocity"]["vega"]["total"] == {
        "change": None, "second_difference": None, "word": None,
    }  # fmt: skip


def test_minute_is_shown_as_soon_as_it_is_stored(nifty: PolledInstrument) -> None:
    stored.store(minutes=75)
    assert body_of()["minutes"][-1] == "2026-11-27T10:29:00+05:30"


def test_session_ends_with_its_last_minute(nifty: PolledInstrument, settings: Settings) -> None:
    settings.MARKET_CLOCK = datetime(2026, 11, 27, 14, 0, tzinfo=UTC).isoformat()
    body = body_of()
    assert len(body["minutes"]) == 375
    assert body["minutes"][-1] == "2026-11-27T15:29:00+05:30"
    settings.MARKET_CLOCK = datetime(2026, 11, 27, 3, 0, tzinfo=UTC).isoformat()
    before = body_of()
    assert (before["minutes"], before["base"], before["as_of"]) == ([], None, None)


def test_special_session_has_its_own_minutes(nifty: PolledInstrument, settings: Settings) -> None:
    day = date(2026, 11, 8)
    opens = datetime(2026, 11, 8, 12, 30, tzinfo=UTC)
    stored.session(day, kind="special", opens_at=opens, closes_at=opens + timedelta(hours=1))
    body = body_of(date=day)
    assert len(body["minutes"]) == 60
    assert body["minutes"][0] == "2026-11-08T18:00:00+05:30"
    assert body["session"]["kind"] == "special"


def test_velocity_is_that_of_the_last_minutes(nifty: PolledInstrument) -> None:
    rows = stored.store(minutes=74)
    close = [row.call_vega_close for row in rows]  # type: ignore[attr-defined]
    found = body_of()["velocity"]["vega"]["call"]
    assert found["change"] == close[-1] - close[-2]
    assert found["second_difference"] == pytest.approx(close[-1] - 2 * close[-2] + close[-3])
    assert found["word"] in {"accelerating", "slowing", "turning", "steady"}


def test_numbers_leave_with_all_their_digits(nifty: PolledInstrument) -> None:
    (row,) = stored.store(minutes=1, total_delta_close=0.1 + 0.2, spot=1e300 / 3)
    body = body_of()
    assert body["series"]["delta"]["total"]["close"][0] == 0.1 + 0.2
    assert body["spot"][0] == row.spot
    assert body["version"] == int(row.updated_at.timestamp() * 1e6)


def test_rows_of_other_chains_and_days_are_not_read(nifty: PolledInstrument) -> None:
    mine = stored.store(minutes=5)
    stored.store(minutes=74, seed=2, expiry=date(2026, 12, 8))
    stored.store(minutes=74, seed=3, instrument_key="NSE_INDEX|Nifty Bank")
    naive.assert_series(body_of(), mine, minutes=74)


def test_damaged_buckets_are_missing_and_not_nought(nifty: PolledInstrument) -> None:
    stored.store(minutes=3, delta_buckets=b"short")
    close = body_of(delta_min=0.5)["series"]["vega"]["total"]["close"]
    assert close[:3] == [None] * 3


def test_rows_are_one_query_and_a_choice_two(
    nifty: PolledInstrument, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    stored.store()
    with django_assert_num_queries(1):
        rows = read_rows(Chain(nifty.instrument_key, stored.DAY, stored.EXPIRY))
    assert len(rows) == 74
    question = MarketQuestion(slug="nifty")
    with CaptureQueriesContext(connection) as captured:
        choice_for(question, market_now())
    tables = [query["sql"] for query in captured if "exchangesession" not in query["sql"]]
    assert len(tables) == 2


@pytest.mark.parametrize(("low", "high"), [(-0.1, 1.0), (0.6, 0.5), (0.0, 1.1), (float("nan"), 1)])
def test_impossible_range_is_refused(low: float, high: float) -> None:
    with pytest.raises(InvalidInput):
        buckets_of(low, high)


def test_resolution_that_there_is_not_is_refused(nifty: PolledInstrument) -> None:
    with pytest.raises(InvalidInput, match="resolution"):
        body_of(resolution="2m")


def test_body_of_the_address_is_the_series(nifty: PolledInstrument) -> None:
    stored.store(missing={4})
    answer = Client().get("/market/data", {"resolution": "5m", "delta_max": "0.5"})
    assert answer.json() == body_of(resolution="5m", delta_max=0.5)
