"""The minutes between two instants in which a mark can be expected."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from greeks.calendar.exchanges import exchange_of_currency
from greeks.calendar.sessions import sessions_between
from greeks.domain import InstrumentKind

Minutes = NDArray[np.float64]

#: Traded outside the hours of the exchange too.
_ALL_DAY: Final = frozenset(
    {InstrumentKind.FUTURE.value, InstrumentKind.FUTURE_OPTION.value, InstrumentKind.CURRENCY.value}
)
_DAY: Final = 86_400
#: Futures and currencies rest from Friday 22:00 to Sunday 22:00 UTC. The epoch was a Thursday.
_FRIDAY_NIGHT: Final = _DAY + 22 * 3600
_WEEK: Final = 7 * _DAY


def session_minutes(
    first: datetime,
    last: datetime,
    *,
    currency: str,
    kinds: Collection[str],
    simulated: bool,
    marked: tuple[float, float] | None,
) -> Minutes:
    """Return the minutes from ``first`` on and before ``last`` in Unix seconds, (minutes,).

    Those of the sessions of the currency's exchange, of the week where none is known. ``marked``
    are the first and the last minute with a mark: all between them count too where contracts of
    these ``kinds`` trade day and night, or the market is simulated.
    """
    exchange = exchange_of_currency(currency)
    start, end = first.timestamp(), last.timestamp()
    if exchange is None:
        return _of_the_week(_range(start, end))
    parts = [np.empty(0)]
    for session in sessions_between(exchange.name, first, last):
        opens, closes = session.opens_at.timestamp(), session.closes_at.timestamp()
        parts.append(_range(max(start, opens), min(end, closes)))
    if marked is not None and (simulated or _ALL_DAY & set(kinds)):
        near = _range(max(start, marked[0]), min(end, marked[1] + 60))
        parts.append(near if simulated else _of_the_week(near))
    return np.unique(np.concatenate(parts))


def _range(start: float, end: float) -> Minutes:
    return np.arange(-(-start // 60) * 60, end, 60.0)


def _of_the_week(minutes: Minutes) -> Minutes:
    found: Minutes = minutes[(minutes - _FRIDAY_NIGHT) % _WEEK >= 2 * _DAY]
    return found
