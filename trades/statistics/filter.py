"""Which trades statistics are of: the same filter for the page, the API and the CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet
from django.http import QueryDict

from auth_tokens.models import User
from config.core.api.parameters import QueryParameters
from config.core.clock import market_now
from config.core.errors import InvalidInput
from portfolio.accounts.access import account_for_user, accounts_visible_to
from portfolio.accounts.days import local_date
from portfolio.exposure.currencies import totals_currency
from portfolio.models import Account
from trades.models import TradeFill, TradeTag
from trades.strategies.naming import Strategy

FILTERS = frozenset({"account_id", "start", "end", "currency", "strategy", "underlying", "tag"})
STRATEGIES = ("", *(strategy.value for strategy in Strategy))
_DAYS = 365
_FIRST, _LAST = date(1970, 1, 1), date(9998, 12, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsFilter:
    """Which trades: closed between two days, both included, in each account's zone."""

    accounts: Sequence[Account]
    currency: str
    start: date
    end: date
    strategy: str = ""
    underlying: str = ""
    tag: str = ""

    def trades(self) -> Q:
        """Return the condition on trades without their days."""
        wanted = Q(account__in=self._ids, currency=self.currency)
        if self.strategy:
            wanted &= Q(strategy=self.strategy)
        if self.tag:
            wanted &= Q(pk__in=tagged_trades(self.tag))
        return wanted & Q(underlying=self.underlying) if self.underlying else wanted

    def closed_between(self, name: str) -> Q:
        """Return the condition that a moment lies in the days; accounts of one zone share one."""
        found = Q(pk__in=[])
        by_zone: dict[str, list[str]] = {}
        for account in self.accounts:
            by_zone.setdefault(account.time_zone, []).append(account.pk)
        for zone_name, ids in by_zone.items():
            zone = ZoneInfo(zone_name)
            after = self.end + timedelta(days=1) if self.end < date.max else self.end
            found |= Q(
                ("account__in", ids),
                (f"{name}__gte", datetime.combine(self.start, time(), tzinfo=zone)),
                (f"{name}__lt", datetime.combine(after, time(), tzinfo=zone)),
            )
        return found

    def is_narrow(self) -> bool:
        return bool(self.strategy or self.underlying or self.tag)

    @property
    def _ids(self) -> list[str]:
        return [account.pk for account in self.accounts]


def tagged_trades(tag: str) -> QuerySet[Any]:
    """Return the keys of trades with a tag: what is said of an opening is said of its trade."""
    tagged = TradeTag.objects.filter(name=tag).values("opening")
    return TradeFill.objects.filter(role=TradeFill.Role.OPEN.value, key__in=tagged).values("trade")


def read_filter(
    values: QueryDict, user: User | AnonymousUser, *, also: frozenset[str] = frozenset()
) -> StatisticsFilter:
    """Parse the address. By default the last 365 days, in the accounts' common currency.

    Raises ``InvalidInput`` naming the parameter, ``NotFound`` for another's account.
    """
    parameters = QueryParameters.of_form(values, allowed=FILTERS | also)
    account_id = parameters.identifier("account_id")
    if account_id:
        accounts = [account_for_user(user, account_id)]
    else:
        accounts = list(accounts_visible_to(user).select_related("status"))
    at = market_now()
    today = max((local_date(account, at) for account in accounts), default=at.date())
    end = parameters.date("end") or today
    if not _FIRST <= end <= _LAST:
        raise _refused("end", "Not a day of trading.")
    start = parameters.date("start")
    if start is None:
        start = max(end - timedelta(days=_DAYS - 1), _FIRST)
    if not _FIRST <= start <= end:
        raise _refused("start", "After the end." if start > end else "Not a day of trading.")
    return StatisticsFilter(
        accounts=accounts,
        currency=(parameters.text("currency", maximum_length=8) or "").upper()
        or totals_currency(accounts),
        start=start,
        end=end,
        strategy=parameters.choice("strategy", STRATEGIES, default=""),
        tag=(parameters.text("tag", maximum_length=32) or "").strip().lower(),
        underlying=(parameters.text("underlying", maximum_length=32) or "").upper(),
    )


def _refused(name: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{name}: {problem}", fields={name: problem})
