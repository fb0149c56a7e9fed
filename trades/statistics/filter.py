"""The filter of statistics, for the page, the API and the CSV file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet
from django.http import QueryDict

from auth_tokens.models import User
from config.core.api.parameters import QueryParameters
from greeks.underlyings import product_name
from trades.analytics.span import Span, read_days, span_of
from trades.models import TradeFill, TradeTag
from trades.strategies.naming import Strategy

FILTERS = frozenset({"account_id", "start", "end", "currency", "strategy", "underlying", "tag"})
STRATEGIES = ("", *(strategy.value for strategy in Strategy))
_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsFilter(Span):
    """Which trades: closed between two days, both included, in each account's zone."""

    strategy: str = ""
    underlying: str = ""
    tag: str = ""

    def trades(self) -> Q:
        """Return the condition on trades without their days."""
        return self.trades_in_any_currency() & Q(currency=self.currency)

    def trades_in_any_currency(self) -> Q:
        """Return the condition of :meth:`trades` for every currency."""
        wanted = Q(account__in=self._ids)
        if self.strategy:
            wanted &= Q(strategy=self.strategy)
        if self.tag:
            wanted &= Q(pk__in=tagged_trades(self.tag))
        return wanted & Q(underlying=self.underlying) if self.underlying else wanted

    def is_narrow(self) -> bool:
        return bool(self.strategy or self.underlying or self.tag)

    @property
    def _ids(self) -> list[str]:
        return [account.pk for account in self.accounts]


def tagged_trades(tag: str) -> QuerySet[Any]:
    """Return the keys of trades with a tag: a tag on an opening counts for its trade."""
    tagged = TradeTag.objects.filter(name=tag).values("opening")
    return TradeFill.objects.filter(role=TradeFill.Role.OPEN.value, key__in=tagged).values("trade")


def read_filter(
    values: QueryDict, user: User | AnonymousUser, *, also: frozenset[str] = frozenset()
) -> StatisticsFilter:
    """Parse the address. By default the last 365 days, in the accounts' common currency.

    Raises ``InvalidInput`` naming the parameter, ``NotFound`` for another's account.
    """
    parameters = QueryParameters.of_form(values, allowed=FILTERS | also)
    start, end = read_days(parameters)
    span = span_of(
        user,
        account_id=parameters.identifier("account_id"),
        start=start,
        end=end,
        days=_DAYS,
        currency=(parameters.text("currency", maximum_length=8) or "").upper(),
    )
    return StatisticsFilter(
        accounts=span.accounts,
        currency=span.currency,
        start=span.start,
        end=span.end,
        strategy=parameters.choice("strategy", STRATEGIES, default=""),
        tag=(parameters.text("tag", maximum_length=32) or "").strip().lower(),
        underlying=product_name((parameters.text("underlying", maximum_length=32) or "").upper()),
    )
