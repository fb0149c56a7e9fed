"""The minutes of sessions between two instants: when a mark can be expected."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from greeks.calendar.exchanges import exchange_of_currency
from greeks.calendar.sessions import sessions_between


def session_minutes(
    first: datetime, last: datetime, *, currency: str, simulated: bool
) -> NDArray[np.float64]:
    """Return the minutes from ``first`` on and before ``last`` in Unix seconds, (minutes,).

    Those of the currency's exchange; all of them where none is known, or the market is simulated.
    """
    exchange = exchange_of_currency(currency)
    if simulated or exchange is None:
        return _range(first, last)
    parts = [
        _range(max(first, session.opens_at), min(last, session.closes_at))
        for session in sessions_between(exchange.name, first, last)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _range(first: datetime, last: datetime) -> NDArray[np.float64]:
    start = -(-first.timestamp() // 60) * 60
    return np.arange(start, last.timestamp(), 60.0)
