"""The accounts and days of a request for statistics, curves or returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from django.contrib.auth.models import AnonymousUser
from django.db.models import Q

from auth_tokens.models import User
from config.core.api.parameters import QueryParameters
from config.core.clock import market_now
from config.core.errors import invalid
from config.core.rows.moments import Days, Moments, days_in
from portfolio.accounts.days import local_date
from portfolio.accounts.scopes import account_in_view, accounts_in_view
from portfolio.exposure.currencies import totals_currency
from portfolio.models import Account

_FIRST, _LAST = date(1970, 1, 1), date(9998, 12, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Accounts and two days, both included, in each account's zone; money of one currency."""

    accounts: Sequence[Account]
    currency: str
    start: date
    end: date

    def between(self, name: str) -> Q:
        """Return the condition that a moment lies in the days; accounts of one zone share one."""
        found = Q(pk__in=[])
        by_zone: dict[str, list[str]] = {}
        for account in self.accounts:
            by_zone.setdefault(account.time_zone, []).append(account.pk)
        for zone_name, ids in by_zone.items():
            zone = ZoneInfo(zone_name)
            after = self.end + timedelta(days=1)
            found |= Q(
                ("account__in", ids),
                (f"{name}__gte", datetime.combine(self.start, time(), tzinfo=zone)),
                (f"{name}__lt", datetime.combine(after, time(), tzinfo=zone)),
            )
        return found

    def zones(self) -> dict[str, ZoneInfo]:
        return {account.pk: ZoneInfo(account.time_zone) for account in self.accounts}

    def days_of(self, accounts: Sequence[str], moments: Moments) -> Days:
        """Return each moment's day in its account's zone; NaT stays."""
        zones = self.zones()
        if len(set(zones.values())) == 1:
            return days_in(moments, next(iter(zones.values())))
        days = np.full(moments.size, np.datetime64("NaT"), dtype="datetime64[D]")
        names = np.array(accounts, dtype=np.str_)
        for account_id, zone in zones.items():
            own = names == account_id
            days[own] = days_in(moments[own], zone)
        return days


def span_of(
    user: User | AnonymousUser,
    *,
    account_id: str | None,
    start: date | None,
    end: date | None,
    days: int,
    currency: str | None = None,
) -> Span:
    """Return the visible accounts and the days, by default the last ``days`` up to today.

    Today is the accounts' own, the currency their common one. Raises ``InvalidInput`` naming the
    field, ``NotFound`` for another's account.
    """
    seen = [account_in_view(user, account_id)] if account_id else accounts_in_view(user)
    accounts = list(seen)
    at = market_now()
    end = end or max((local_date(account, at) for account in accounts), default=at.date())
    if not _FIRST <= end <= _LAST:
        raise invalid("end", "Not a day of trading.")
    if start is None:
        start = max(end - timedelta(days=days - 1), _FIRST)
    if not _FIRST <= start <= end:
        raise invalid("start", "After the end." if start > end else "Not a day of trading.")
    return Span(
        accounts=accounts, currency=currency or totals_currency(accounts), start=start, end=end
    )


def read_days(parameters: QueryParameters) -> tuple[date | None, date | None]:
    return parameters.date("start"), parameters.date("end")
