"""What a reader asks the statistics for: the same filter for the page, the API and the CSV."""

from __future__ import annotations

from datetime import date, timedelta

from django.contrib.auth.models import AnonymousUser
from django.http import QueryDict

from auth_tokens.models import User
from config.core.api.parameters import QueryParameters
from config.core.clock import market_now
from config.core.errors import InvalidInput
from portfolio.accounts.access import account_for_user, accounts_visible_to
from portfolio.accounts.days import local_date
from portfolio.exposure.currencies import totals_currency
from trades.statistics.filter import StatisticsFilter
from trades.strategies.naming import Strategy

FILTERS = frozenset({"account_id", "start", "end", "currency", "strategy", "underlying", "tag"})
STRATEGIES = ("", *(strategy.value for strategy in Strategy))
_DAYS = 365
_FIRST, _LAST = date(1970, 1, 1), date(9998, 12, 31)


def read_filter(
    values: QueryDict, user: User | AnonymousUser, *, also: frozenset[str] = frozenset()
) -> StatisticsFilter:
    """Parse the address. By default the last 365 days, in the accounts' common currency.

    Raises ``InvalidInput`` naming the parameter, ``NotFound`` for another's account.
    """
    parameters = QueryParameters(values, allowed=FILTERS | also)
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
