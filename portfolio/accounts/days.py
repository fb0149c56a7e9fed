"""The day, the session and the minute that a fact of an account belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache, partial
from typing import Final
from zoneinfo import ZoneInfo

from auth_tokens.account_pages.time_zones import time_zone_of
from greeks.calendar.exchanges import EXCHANGES, Exchange, exchange_in_zone
from greeks.calendar.sessions import session_dates
from portfolio.models import Account

_CLOSED_FROM: Final = 16
# Days from one session to the next.
_LONGEST_PAUSE: Final = 12
_INSTANTS: Final = 1024


def local_date(account: Account, moment: datetime) -> date:
    """Return the date where the account is: UTC is a day ahead during New York's evening."""
    return moment.astimezone(time_zone_of(account.time_zone)).date()


def minute_of(moment: datetime) -> datetime:
    """Return the start of the minute, UTC."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Sessions:
    """The session dates of one exchange, or of an account without one, in its time zone."""

    date_at: Callable[[datetime], date]
    zone: ZoneInfo

    def begun_with(self, at: datetime) -> date:
        """Return the session that begins with what is booked at ``at``, as a split is.

        From 16:00, when shares have closed, that is the next one.
        """
        local = at.astimezone(self.zone)
        day = self.date_at(at)
        if local.date() == day and local.hour < _CLOSED_FROM:
            return day
        nights = (
            local.replace(hour=12) + timedelta(days=number) for number in range(_LONGEST_PAUSE)
        )
        return next((found for noon in nights if (found := self.date_at(noon)) > day), day)

    def begun_at(self, at: datetime) -> datetime:
        """Return the midnight from which facts belong to the session of ``at``."""
        return datetime.combine(self.date_at(at), time.min, tzinfo=self.zone)


@dataclass(frozen=True, slots=True)
class AccountSessions:
    """The sessions of an account, and those of what it holds, by currency."""

    own: Sessions
    by_currency: Mapping[str, Sessions]

    def __call__(self, at: datetime) -> date:
        """Return the account's own session date, as its days are kept."""
        return self.own.date_at(at)

    def of(self, currency: str) -> Sessions:
        """Return the sessions of contracts in this currency."""
        return self.by_currency.get(currency, self.own)


def session_dates_of(account: Account) -> AccountSessions:
    """Return the session dates of any moment for the account and what it holds.

    The account's exchange is the one in its time zone, so weekends and holidays count to the
    session before (``session_dates``). In other zones, and for simulated accounts (which trade
    at weekends), it is the account's calendar day. A contract has the sessions of its currency's
    exchange, without one the account's.
    """
    exchange = None if account.simulated else exchange_in_zone(account.time_zone)
    if exchange is None:
        own = Sessions(partial(local_date, account), time_zone_of(account.time_zone))
    else:
        own = _sessions_of(exchange)
    elsewhere = () if account.simulated else EXCHANGES.values()
    return AccountSessions(
        own, {each.currency: own if each is exchange else _sessions_of(each) for each in elsewhere}
    )


def _sessions_of(exchange: Exchange) -> Sessions:
    # Most prices of a pass are of the same instants.
    return Sessions(lru_cache(_INSTANTS)(session_dates(exchange.name)), exchange.zone)
