"""Business days by the holidays of a market, for terms that count them."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import Final

import numpy as np

NEW_YORK: Final = "NYSE"


def business_day(day: date, offset: int, market: str = NEW_YORK) -> date:
    """Return the business day ``offset`` days from a day; a closed day counts as the next open
    one.

    ``market`` is a name of the package ``holidays``: NYSE, XTSE, XJPX, XSWX.
    """
    closed = [closed for year in range(-1, 2) for closed in _holidays(market, day.year + year)]
    moved = np.busday_offset(
        day, offset, roll="forward", holidays=np.array(closed, dtype="datetime64[D]")
    )
    found: date = moved.astype(object)
    return found


def last_business_day(day: date, market: str = NEW_YORK) -> date:
    """Return the day itself if the market is open, else the open day before it."""
    return business_day(day + timedelta(days=1), -1, market)


def nth_weekday(year: int, month: int, weekday: int, number: int) -> date:
    """Return the month's first (``number`` 1), second, … of a weekday; Monday is 0."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def next_month(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1)


@cache
def _holidays(market: str, year: int) -> tuple[date, ...]:
    # Imported here: the package is large and few contracts need it.
    import holidays

    return tuple(sorted(holidays.financial_holidays(market, years=year)))
