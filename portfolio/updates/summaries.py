"""Tell owners what a session brought, once it is over for all accounts of their portfolio."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import Sum

from config.core.clock import market_now, now
from greeks.alerts.events import raise_user_alert
from greeks.calendar.exchanges import exchange_in_zone
from greeks.calendar.sessions import session_closes
from greeks.models import AlertEvent
from greeks.underlyings import history_name
from portfolio.accounts.days import local_date
from portfolio.book.traded_today import legs_traded_today
from portfolio.exposure.currencies import rates_into
from portfolio.models import Account, PortfolioDay, Position
from portfolio.updates.membership import members
from portfolio.updates.notices import sum_up

#: Last prices and fills still come so long after the close.
SETTLING: Final = timedelta(minutes=15)
#: Figures that nobody has updated for so long are no news.
_NEWS: Final = timedelta(hours=12)
_MOVERS: Final = 3


def summarise_days() -> int:
    """Raise the summaries that are due, each once; return how many. Safe to repeat."""
    waiting = list(
        PortfolioDay.objects.filter(
            portfolio__daily_summary=True,
            summarised_at__isnull=True,
            last_updated__gte=now() - _NEWS,
        ).select_related("portfolio")
    )
    if not waiting:
        return 0
    found = members({day.portfolio_id for day in waiting})
    accounts = Account.objects.in_bulk(frozenset().union(*found.values()))
    at = market_now()
    told = 0
    for day in waiting:
        mine = [accounts[name] for name in found.get(day.portfolio_id, ()) if name in accounts]
        counted = set(day.portfolio.counted)
        if counted and counted <= {account.pk for account in mine}:
            over = all(_is_over(account, day.session_date, at) for account in mine)
            told += over and _tell(day, {account.pk: account for account in mine})
    return told


def _is_over(account: Account, day: date, at: datetime) -> bool:
    """Return whether an account's session of a day has ended and settled."""
    exchange = None if account.simulated else exchange_in_zone(account.time_zone)
    closes_at = session_closes(exchange.name).get(day) if exchange is not None else None
    if closes_at is not None:
        return at >= closes_at + SETTLING
    return local_date(account, at) > day


def _tell(day: PortfolioDay, accounts: Mapping[str, Account]) -> bool:
    with transaction.atomic():
        waiting = PortfolioDay.objects.filter(pk=day.pk, summarised_at__isnull=True)
        if not waiting.update(summarised_at=now()):
            return False
        portfolio = day.portfolio
        raise_user_alert(
            user_id=portfolio.owner_id,
            kind=AlertEvent.Kind.BOOK,
            title=f"{portfolio.name}: the day",
            text=f"{sum_up(day)} {_movers(accounts, day.currency)}".strip(),
        )
    return True


def _movers(accounts: Mapping[str, Account], currency: str) -> str:
    """Name the underlyings that moved the book most, in its currency, with what was closed."""
    rows = list(
        Position.objects.filter(account__in=accounts, daily_change__isnull=False)
        .order_by()
        .values_list("instrument_type", "underlying", "currency")
        .annotate(change=Sum("daily_change"))
    )
    rows += [
        (leg.instrument_type, leg.underlying, leg.currency, leg.change)
        for leg in legs_traded_today(accounts)
    ]
    rates = rates_into(currency, {of for _, _, of, _ in rows}) | {currency: 1.0}
    moved: dict[str, Decimal] = {}
    for kind, underlying, of, change in rows:
        name = history_name(kind=kind, underlying=underlying, currency=of)
        if of in rates and change:
            moved[name] = moved.get(name, Decimal()) + change * Decimal(repr(rates[of]))
    most = sorted(moved.items(), key=lambda item: -abs(item[1]))[:_MOVERS]
    named = ", ".join(f"{name} {change:+,.0f}" for name, change in most)
    return f"Most: {named}." if named else ""
