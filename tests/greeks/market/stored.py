"""Stored minutes of a chain for tests: random, with gaps, and what they are made from."""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from greeks.calendar.sessions import forget_sessions
from greeks.minutes.rows import note_days
from greeks.models import ExchangeSession, GreekSnapshot, PolledInstrument
from greeks.models.greek_snapshot import CANDLE_FIELDS, VENDOR_FIELDS

#: A Friday. The market's clock stands at 10:30 in Mumbai.
DAY = date(2026, 11, 27)
EXPIRY = date(2026, 12, 1)
OPENING = datetime(2026, 11, 27, 3, 45, tzinfo=UTC)
AT = datetime(2026, 11, 27, 5, 0, tzinfo=UTC)
#: 09:15 to 10:28: the minute of 10:29 may still be on its way at 10:30.
MINUTES = 75
OTHERS = ("spot", "call_open_interest", "put_open_interest", "pcr", "max_pain",
          "atm_implied_volatility")  # fmt: skip


def polled_instrument(**fields: Any) -> PolledInstrument:
    chosen: dict[str, Any] = {
        "slug": "nifty",
        "name": "NIFTY 50",
        "instrument_key": "NSE_INDEX|Nifty 50",
        "underlying": "NIFTY",
        "simulated": True,
        "listed_expiries": [{"expiry": EXPIRY.isoformat(), "lot_size": 75, "is_weekly": True}],
        "listed_as_of": AT,
        **fields,
    }
    return PolledInstrument.objects.create(**chosen)


def session(day: date = DAY, **fields: Any) -> None:
    """Ensure the day's session exists, however the calendar was seeded."""
    opens = datetime(day.year, day.month, day.day, 3, 45, tzinfo=UTC)
    ExchangeSession.objects.update_or_create(
        exchange="NSE",
        session_date=day,
        kind=fields.pop("kind", "regular"),
        defaults={
            "opens_at": opens,
            "closes_at": opens + timedelta(hours=6, minutes=15),
            **fields,
        },
    )
    forget_sessions()


def snapshot(minute: datetime, *, seed: int, **fields: Any) -> GreekSnapshot:
    """Return one minute with random numbers; the same seed gives the same."""
    numbers = random.Random(seed)
    values: dict[str, Any] = {
        name: numbers.uniform(-500.0, 500.0) for name in (*CANDLE_FIELDS, *VENDOR_FIELDS, *OTHERS)
    }
    buckets = np.array([numbers.uniform(-5.0, 5.0) for _ in range(200)]).reshape(2, 20, 5)
    buckets[..., 4] = np.round(np.abs(buckets[..., 4]))
    return GreekSnapshot(
        **values
        | {
            "instrument_key": "NSE_INDEX|Nifty 50",
            "expiry": EXPIRY,
            "minute": minute,
            "session_date": DAY,
            "delta_buckets": buckets.astype("<f8").tobytes(),
            "held_changes": np.array([numbers.uniform(-1.0, 1.0) for _ in range(200)]).tobytes(),
            "contracts": 120,
            "contracts_without_greeks": numbers.randrange(9),
            "contracts_filled": numbers.randrange(5),
            "samples_seen": numbers.randrange(1, 13),
            "samples_expected": 12,
            "simulated": True,
            "source": "upstox",
            "as_of": minute + timedelta(seconds=55),
            "updated_at": minute + timedelta(seconds=61),
        }
        | fields
    )


def gap(minute: datetime) -> GreekSnapshot:
    """Return a minute of which nothing was sampled."""
    return GreekSnapshot(
        instrument_key="NSE_INDEX|Nifty 50",
        expiry=EXPIRY,
        minute=minute,
        session_date=DAY,
        samples_seen=0,
        samples_expected=12,
        source="upstox",
        updated_at=minute + timedelta(seconds=70),
    )


def store(
    *,
    minutes: int = MINUTES - 1,
    missing: Collection[int] = (),
    empty: Collection[int] = (),
    seed: int = 1,
    **fields: Any,
) -> list[GreekSnapshot]:
    """Return the first minutes of the session.

    ``missing`` have no row, ``empty`` a row of a gap.
    """
    rows = []
    for number in range(minutes):
        at = OPENING + timedelta(minutes=number)
        if number in missing:
            continue
        rows.append(
            gap(at) if number in empty else snapshot(at, seed=seed * 1000 + number, **fields)
        )
    note_days(map(vars, rows))
    return GreekSnapshot.objects.bulk_create(rows)
