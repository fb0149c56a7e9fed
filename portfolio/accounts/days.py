"""The day, the session and the minute that a fact of an account belongs to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final

from auth_tokens.account_pages.time_zones import time_zone_of
from greeks.calendar.exchanges import exchange_in_zone
from greeks.calendar.sessions import session_dates
from portfolio.models import Account

_CLOSED_FROM: Final = 16
# Days from one session to the next.
_LONGEST_PAUSE: Final = 12


def local_date(account: Account, moment: datetime) -> date:
    """Return the date where the account is: UTC is a day ahead during New York's evening."""
    return moment.astimezone(time_zone_of(account.time_zone)).date()


def minute_of(moment: datetime) -> datetime:
    """Return the start of the minute, UTC."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def session_begun_with(
    account: Account, at: datetime, session_date_at: Callable[[datetime], date]
) -> date:
    """Return the session that begins with what is booked at ``at``, as a split is.

    From 16:00 where the account is, when shares have closed, that is the next one.
    """
    local = at.astimezone(time_zone_of(account.time_zone))
    day = session_date_at(at)
    if local.date() == day and local.hour < _CLOSED_FROM:
        return day
    nights = (local.replace(hour=12) + timedelta(days=number) for number in range(_LONGEST_PAUSE))
    return next((found for noon in nights if (found := session_date_at(noon)) > day), day)


def session_dates_of(account: Account) -> Callable[[datetime], date]:
    """Return a function giving the session date of any moment for the account.

    The exchange is the one in the account's time zone, so weekends and holidays count to the
    session before (``session_dates``). In other zones, and for simulated accounts (which trade
    at weekends), it is the account's calendar day.
    """
    exchange = None if account.simulated else exchange_in_zone(account.time_zone)
    if exchange is None:
        return partial(local_date, account)
    return session_dates(exchange.name)
