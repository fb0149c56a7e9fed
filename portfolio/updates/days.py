"""A portfolio's figures by session: the last ones of each stay as its history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

from config.core.clock import market_now
from config.core.upsert import upsert
from portfolio.accounts.days import session_dates_of
from portfolio.book.rows import plain
from portfolio.models import Account, PortfolioDay

_FIGURES = ("currency", "value", "daily_change", "daily_change_percent", "last_updated")


def session_date_of(accounts: Iterable[Account]) -> date | None:
    """Return the latest session that has begun for any of the accounts; ``None`` without one."""
    at = market_now()
    return max((session_dates_of(account)(at) for account in accounts), default=None)


class Day(NamedTuple):
    """A portfolio's figures by name, among them ``session_date``."""

    portfolio_id: int
    figures: Mapping[str, Any]


def store_days(days: Collection[Day]) -> None:
    """Store the figures of sessions; later ones replace earlier ones. One statement."""
    columns = ("session_date", *_FIGURES)
    upsert(
        PortfolioDay,
        ("portfolio_id", *columns, "noticed_steps"),
        [(day.portfolio_id, *(day.figures[name] for name in columns), 0) for day in days],
        unique=("portfolio_id", "session_date"),
        keep=("noticed_steps",),
    )


def days_of(
    portfolios: Collection[Mapping[str, Any]], *, start: date, end: date
) -> dict[str, list[dict[str, Any]]]:
    """Return the days of these portfolios, as read for their owner, newest first, by id.

    Those whose figures are withheld have no past either: it would show an account's that the owner
    may no longer see. One query.
    """
    shown = [int(row["id"]) for row in portfolios if row["last_updated"] is not None]
    found: dict[str, list[dict[str, Any]]] = {row["id"]: [] for row in portfolios}
    rows = PortfolioDay.objects.filter(
        portfolio__in=shown, session_date__range=(start, end)
    ).order_by("-session_date")
    for row in rows:
        figures = {name: getattr(row, name) for name in _FIGURES}
        for name in ("value", "daily_change", "daily_change_percent"):
            figures[name] = plain(figures[name])
        found[str(row.portfolio_id)].append({"session_date": row.session_date, **figures})
    return found
