"""A market to measure with: an instrument that is open now, and a day of its minutes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

#: Minutes of a whole session at NSE.
MINUTES = 375
CONTRACTS = 220


def make_market(*, minutes: int = MINUTES) -> Any:
    """NIFTY in the middle of a session whose last minute has just been stored."""
    from greeks.calendar.sessions import forget_sessions
    from greeks.models import ExchangeSession, PolledInstrument

    opening = _minute(datetime.now(UTC)) - timedelta(minutes=minutes)
    day = opening.date()
    ExchangeSession.objects.filter(
        exchange="NSE", session_date__range=(day, day + timedelta(days=1))
    ).delete()
    ExchangeSession.objects.create(
        exchange="NSE",
        session_date=day,
        opens_at=opening,
        closes_at=opening + timedelta(hours=23),
        kind="regular",
    )
    forget_sessions()
    instrument = PolledInstrument.objects.create(
        slug="nifty",
        name="NIFTY 50",
        instrument_key="NSE_INDEX|Nifty 50",
        underlying="NIFTY",
        simulated=True,
        listed_expiries=[{"expiry": expiry_of(day).isoformat(), "lot_size": 75}],
        listed_as_of=datetime.now(UTC),
    )
    for number in range(minutes):
        store_minute(opening + timedelta(minutes=number), day=day, seed=number)
    return instrument


def expiry_of(day: date) -> date:
    return day + timedelta(days=4)


def store_minute(minute: datetime, *, day: date, seed: int) -> None:
    """One row as a roll-up writes it, with digits that do not compress."""
    import numpy as np

    from config.core.clock import now
    from greeks.models import GreekSnapshot
    from greeks.models.greek_snapshot import CANDLE_FIELDS, VENDOR_FIELDS

    numbers = Random(seed)
    sums = {name: numbers.gauss(0.0, 900.0) for name in (*CANDLE_FIELDS, *VENDOR_FIELDS)}
    buckets = np.array([numbers.gauss(0.0, 9.0) for _ in range(200)], dtype="<f8")
    GreekSnapshot.objects.update_or_create(
        instrument_key="NSE_INDEX|Nifty 50",
        expiry=expiry_of(day),
        minute=minute,
        defaults={
            **sums,
            "session_date": day,
            "delta_buckets": buckets.tobytes(),
            "spot": 24_000 + numbers.gauss(0.0, 90.0),
            "call_open_interest": float(numbers.randrange(10**8)),
            "put_open_interest": float(numbers.randrange(10**8)),
            "pcr": numbers.uniform(0.5, 1.5),
            "max_pain": 24_000.0,
            "atm_implied_volatility": numbers.uniform(0.1, 0.2),
            "contracts": CONTRACTS,
            "contracts_without_greeks": 3,
            "contracts_filled": 3,
            "samples_seen": 12,
            "samples_expected": 12,
            "simulated": True,
            "source": "upstox",
            "as_of": minute + timedelta(seconds=55),
            "updated_at": now(),
        },
    )


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
