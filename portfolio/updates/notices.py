"""Tell owners when a portfolio's day moves by more than they set.

A notice comes at each whole step: with 1 %, at -1 %, at -2 % and so on. A step is told once a
session; a move back is not told again until it passes a step on the other side.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from django.db import transaction

from greeks.alerts.events import raise_user_alert
from greeks.models import AlertEvent
from portfolio.models import PortfolioDay
from portfolio.updates.days import Day


def steps_of(percent: Decimal, step: Decimal) -> int:
    """Return how many whole steps a move is; negative for a loss."""
    return int(percent / step)


def is_news(steps: int, told: int) -> bool:
    """Return whether a move goes farther than the one told before, or to the other side."""
    return steps != 0 and (steps * told < 0 or abs(steps) > abs(told))


def notice_moves(days: Collection[Day]) -> None:
    """Raise the alerts of these days, as stored. One query if there is none."""
    if not days:
        return
    dates = {day.figures["session_date"] for day in days}
    stored = PortfolioDay.objects.filter(
        portfolio__in=[day.portfolio_id for day in days],
        session_date__in=dates,
        portfolio__notice_percent__isnull=False,
        daily_change_percent__isnull=False,
    ).select_related("portfolio")
    for day in stored.order_by():
        step, percent = day.portfolio.notice_percent, day.daily_change_percent
        if step is None or percent is None:
            continue
        steps = steps_of(percent, step)
        if is_news(steps, day.noticed_steps):
            _tell(day, steps)


def _tell(day: PortfolioDay, steps: int) -> None:
    with transaction.atomic():
        told = PortfolioDay.objects.filter(pk=day.pk, noticed_steps=day.noticed_steps)
        if not told.update(noticed_steps=steps):
            # Another loop tells it.
            return
        portfolio = day.portfolio
        way = "up" if steps > 0 else "down"
        raise_user_alert(
            user_id=portfolio.owner_id,
            kind=AlertEvent.Kind.BOOK,
            title=f"{portfolio.name}: {way} {abs(day.daily_change_percent or 0):.2f} % today",
            text=sum_up(day),
        )


def sum_up(day: PortfolioDay) -> str:
    """Return the day's figures in one line."""
    change = "no change known" if day.daily_change is None else f"{day.daily_change:+,.0f}"
    if day.daily_change_percent is not None:
        change += f" ({day.daily_change_percent:+.2f} %)"
    return f"{day.session_date:%d %b %Y}: {change} {day.currency}, value {day.value:,.0f}."
