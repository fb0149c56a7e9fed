"""Sessions of the simulated exchanges, through holidays, half days and both clock changes."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from greeks.sandbox.sessions import sessions_of, utc


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("exchange", "moment", "expected"),
    [
        ("NYSE", "2026-03-06T14:30", True),  # winter: 09:30
        ("NYSE", "2026-03-09T13:29", False),  # summer time since the day before
        ("NYSE", "2026-03-09T13:30", True),
        ("NYSE", "2026-03-09T19:59:59", True),
        ("NYSE", "2026-03-09T20:00", False),
        ("NYSE", "2026-11-02T14:29", False),  # winter again
        ("NYSE", "2026-11-26T16:00", False),  # Thanksgiving
        ("NYSE", "2026-11-27T17:59", True),  # the half day after it
        ("NYSE", "2026-11-27T18:00", False),
        ("NYSE", "2026-11-28T16:00", False),  # Saturday
        ("NSE", "2026-11-20T03:44", False),
        ("NSE", "2026-11-20T03:45", True),
        ("NSE", "2026-11-20T10:00", False),
    ],
)
def test_exchange_is_open_in_its_hours_only(exchange: str, moment: str, expected: bool) -> None:
    assert sessions_of(exchange, False).is_open(at(moment)) is expected


def test_trading_time_stands_still_from_close_to_open() -> None:
    hours = sessions_of("NYSE", False)
    moments = np.array([at("2026-11-27T17:00"), at("2026-11-27T19:00"), at("2026-11-30T14:29")])
    assert [utc(second).isoformat() for second in hours.last_traded(moments).tolist()] == [
        "2026-11-27T17:00:00+00:00",
        "2026-11-27T18:00:00+00:00",
        "2026-11-27T18:00:00+00:00",
    ]


def test_session_after_hours_is_the_one_that_ended() -> None:
    session = sessions_of("NYSE", False).session(at("2026-11-28T12:00"))
    assert utc(session.opened_at).isoformat() == "2026-11-27T14:30:00+00:00"
    assert utc(session.closes_at).isoformat() == "2026-11-27T18:00:00+00:00"
    assert utc(session.previous_close_at).isoformat() == "2026-11-25T21:00:00+00:00"


def test_round_the_clock_day_begins_at_the_regular_opening() -> None:
    always = sessions_of("NSE", True)
    sunday = at("2026-11-22T03:44")
    assert always.is_open(sunday)
    assert utc(always.session(sunday).opened_at).isoformat() == "2026-11-21T03:45:00+00:00"
    assert utc(always.session(sunday + 60.0).opened_at).isoformat() == "2026-11-22T03:45:00+00:00"
    assert always.last_traded([sunday]).tolist() == [sunday]
