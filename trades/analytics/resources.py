"""The curve and the returns as resources of the dashboard, of the API and of the cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

from config.core.caching.changes import Change
from config.core.caching.resources import Question, Resource, declare_resource
from config.core.clock import now

_PNL: Final = Resource(
    name="analytics:pnl",
    path="/api/analytics/pnl",
    section="pnl_curve",
    parameters=("account_id", "start", "end"),
    fetch="trades.analytics.curves.read_pnl_curve",
    shape="trades.analytics.shapes.PnLCurveData",
    complete="trades.analytics.curves.complete_days",
    scope="portfolio.accounts.scopes.scope_of",
    key="analytics:pnl:{account_id}:{date_range}",
    ttl=900,
    stale_seconds=3600,
    changed_by=frozenset({Change.POSITION_UPDATE, Change.EXECUTION_UPDATE}),
    warm="trades.analytics.resources.questions_to_warm",
)
#: Whose answers are prepared: those who were here last.
_READERS: Final = 20
_LATELY: Final = timedelta(days=7)


def declare_analytics() -> None:
    """Declare both resources."""
    declare_resource(_PNL)
    declare_resource(
        replace(
            _PNL,
            name="analytics:returns",
            path="/api/analytics/returns",
            section="daily_returns",
            fetch="trades.analytics.curves.read_daily_returns",
            shape="trades.analytics.shapes.DailyReturnsData",
            key="analytics:returns:{account_id}:{date_range}",
        )
    )


def questions_to_warm() -> Iterator[Question]:
    """Yield the questions of recent readers' pages: all accounts, the default days."""
    from auth_tokens.models import User
    from trades.analytics.curves import complete_days

    readers = User.objects.filter(is_active=True, last_login__gte=now() - _LATELY)
    with_accounts = readers.filter(owned_accounts__enabled=True).order_by("-last_login").distinct()
    for user in with_accounts[:_READERS]:
        yield Question(user, complete_days(user))
