"""Which trades statistics are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from portfolio.models import Account
from trades.models import TradeFill, TradeTag


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
