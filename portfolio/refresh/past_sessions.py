"""A change of the day ends with its session, also in an account that cannot be synced."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import F, Q, QuerySet

from config.core.clock import market_now
from portfolio.accounts.days import session_dates_of
from portfolio.models import Account, Position
from portfolio.sync.progress import announce_revaluations


def end_past_changes() -> frozenset[str]:
    """Set the change to zero of each position that was synced and priced in an earlier session.

    Nothing is known of it in the session its contract is in. Returns the accounts, whose books have
    a new version. Two queries if there are none.
    """
    accounts = list(Account.objects.filter(enabled=True).order_by("pk"))
    past = _of_earlier_sessions(accounts)
    found = set(past.order_by().values_list("account_id", flat=True).distinct())
    if not found:
        return frozenset()
    with transaction.atomic():
        # With the rows locked: a sync that came first knows more.
        locked = list(Account.objects.select_for_update().filter(pk__in=found).order_by("pk"))
        ended = set(past.order_by().values_list("account_id", flat=True).distinct())
        past.order_by().update(daily_change=0)
        Account.objects.filter(pk__in=ended).update(book_version=F("book_version") + 1)
        versions = {each.pk: each.book_version + 1 for each in locked if each.pk in ended}
        transaction.on_commit(partial(announce_revaluations, versions))
    return frozenset(versions)


def _of_earlier_sessions(accounts: Iterable[Account]) -> QuerySet[Position]:
    """Return the positions whose change is not of the session their contract is in now."""
    at = market_now()
    alike: dict[tuple[str, bool], list[Account]] = {}
    for account in accounts:
        alike.setdefault((account.time_zone, account.simulated), []).append(account)
    earlier = Q(pk__in=())
    for group in alike.values():
        sessions = session_dates_of(group[0])
        held = Q(account__in=[account.pk for account in group])
        elsewhere = sessions.by_currency
        for currency, its in elsewhere.items():
            earlier |= held & Q(currency=currency) & _before(its.begun_at(at))
        earlier |= held & ~Q(currency__in=list(elsewhere)) & _before(sessions.own.begun_at(at))
    return Position.objects.filter(earlier, daily_change__isnull=False).exclude(daily_change=0)


def _before(begun_at: datetime) -> Q:
    return Q(price_as_of__lt=begun_at, as_of__lt=begun_at)
