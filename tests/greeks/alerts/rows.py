"""Minutes of a chain for the tests of alerts: given as one number a minute, ``None`` is a gap."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from auth_tokens.models import User
from greeks.models import AlertRule, GreekSnapshot, PolledInstrument

OPENS_AT = datetime(2026, 11, 27, 3, 45, tzinfo=UTC)
SESSION_DATE = date(2026, 11, 27)
EXPIRY = date(2026, 12, 1)
NEXT_EXPIRY = date(2026, 12, 8)
MINUTE = timedelta(minutes=1)


def minute(index: int) -> datetime:
    return OPENS_AT + index * MINUTE


def nifty(**fields: Any) -> PolledInstrument:
    instrument, _ = PolledInstrument.objects.update_or_create(
        slug="nifty",
        defaults={
            "name": "NIFTY 50",
            "instrument_key": "NSE_INDEX|Nifty 50",
            "underlying": "NIFTY",
            "listed_expiries": [
                {"expiry": each.isoformat(), "lot_size": 75} for each in (EXPIRY, NEXT_EXPIRY)
            ],
            "enabled": True,
            **fields,
        },
    )
    return instrument


def store_minute(index: int, value: float | None, *, expiry: date = EXPIRY, **fields: Any) -> None:
    """A stored minute whose spot, PCR and total vega are ``value``; without one it is a gap."""
    numbers = {} if value is None else {"spot": value, "pcr": value, "total_vega_close": value}
    GreekSnapshot.objects.update_or_create(
        instrument_key="NSE_INDEX|Nifty 50",
        expiry=expiry,
        minute=minute(index),
        defaults={
            "session_date": SESSION_DATE,
            "samples_seen": 0 if value is None else 12,
            "source": "upstox",
            "updated_at": minute(index),
            **numbers,
            **fields,
        },
    )


def buckets(call_vega: Sequence[float], put_vega: Sequence[float]) -> bytes:
    """Return buckets with these vegas at the lowest deltas, one contract each."""
    array = np.zeros((2, 20, 5))
    for side, values in enumerate((call_vega, put_vega)):
        for index, value in enumerate(values):
            array[side, index, 3:] = value, 1
    return array.astype("<f8").tobytes()


def make_rule(user: User, **fields: Any) -> AlertRule:
    return AlertRule.objects.create(
        user=user,
        instrument=nifty(),
        **{
            "metric": "spot",
            "comparison": "above",
            "threshold": 100.0,
            "cooldown_minutes": 0,
            **fields,
        },
    )
