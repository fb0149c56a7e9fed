"""A user's portfolios with their last figures."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from config.core.errors import NotFound
from portfolio.book.rows import plain
from portfolio.models import Portfolio
from portfolio.updates.membership import members

_FIGURES = (
    "currency", "value", "daily_change", "daily_change_percent", "by_currency", "unconverted",
    "legs", "legs_without_change", "last_updated",
)  # fmt: skip


def portfolios_of(user: User | AnonymousUser) -> list[dict[str, Any]]:
    """Return the user's portfolios, that of all accounts first. Five queries.

    Figures that count an account which the user may no longer see are left out until the next
    recalculation.
    """
    if not isinstance(user, User) or not user.is_active:
        return []
    rows = list(Portfolio.objects.filter(owner=user).order_by("-holds_all", "name"))
    visible = members([row.pk for row in rows])
    return [_body(row, sorted(visible.get(row.pk, ()))) for row in rows]


def portfolio_of(user: User | AnonymousUser, portfolio_id: int) -> dict[str, Any]:
    """Return one of the user's portfolios. Raises ``NotFound``."""
    wanted = str(portfolio_id)
    found = next((row for row in portfolios_of(user) if row["id"] == wanted), None)
    if found is None:
        raise NotFound("No such portfolio.", fields={"portfolio_id": "unknown"})
    return found


def _body(row: Portfolio, account_ids: list[str]) -> dict[str, Any]:
    is_theirs = set(row.counted) <= set(account_ids)
    figures = {name: getattr(row, name) for name in _FIGURES}
    if row.last_updated is None or not is_theirs:
        figures = dict.fromkeys(_FIGURES) | {"by_currency": [], "unconverted": []}
    for name in ("value", "daily_change", "daily_change_percent"):
        figures[name] = plain(figures[name])
    return {
        "id": str(row.pk),
        "name": row.name,
        "holds_all": row.holds_all,
        "account_ids": account_ids,
        **figures,
        "notice_percent": plain(row.notice_percent),
        "daily_summary": row.daily_summary,
    }
