"""Closing balances of accounts and what was paid in and out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from portfolio.domain import CashKind
from portfolio.exposure.currencies import currency_of
from portfolio.models import Account, AccountDay
from trades.models import CashMovementRow
from trades.statistics.filter import StatisticsFilter

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """Closing net liquidation and external flows by session day, summed over accounts."""

    days: list[date]
    balance: Floats
    flows: Floats
    left_out: int


def balances(wanted: StatisticsFilter) -> Balances:
    """Read the accounts' closing balances in the days. Two queries.

    Accounts in other currencies are left out and counted. An account without a row on a day counts
    with its last; the balance with which one begins is a deposit.
    """
    own = [account for account in wanted.accounts if currency_of(account) == wanted.currency]
    rows = AccountDay.objects.filter(
        account__in=[account.pk for account in own],
        session_date__gte=wanted.start,
        session_date__lte=wanted.end,
        net_liquidation__isnull=False,
    ).order_by("session_date")
    by_day: dict[date, dict[str, float]] = {}
    for account_id, day, value in rows.values_list("account_id", "session_date", "net_liquidation"):
        by_day.setdefault(day, {})[account_id] = float(value or 0)
    days = sorted(by_day)
    moved = _external_flows(own, days)
    last: dict[str, float] = {}
    balance, flows = [], []
    for number, day in enumerate(days):
        begun = [each for each in by_day[day] if each not in last]
        paid = sum(by_day[day][each] for each in begun) if number else 0.0
        paid += sum(amount for account_id, amount in moved.get(day, ()) if account_id not in begun)
        last |= by_day[day]
        balance.append(sum(last.values()))
        flows.append(paid)
    return Balances(
        days=days,
        balance=np.array(balance, dtype=np.float64),
        flows=np.array(flows, dtype=np.float64),
        left_out=len(wanted.accounts) - len(own),
    )


def _external_flows(
    accounts: Iterable[Account], days: Sequence[date]
) -> dict[date, list[tuple[str, float]]]:
    """Return deposits and withdrawals by the first session day that holds them."""
    if not days:
        return {}
    zones = {account.pk: ZoneInfo(account.time_zone) for account in accounts}
    currencies = {account.pk: currency_of(account) for account in accounts}
    moved: dict[date, list[tuple[str, float]]] = {}
    rows = CashMovementRow.objects.filter(
        account__in=list(zones), kind=CashKind.EXTERNAL_FLOW.value
    )
    ordinals = np.array([day.toordinal() for day in days])
    for account_id, at, amount, currency in rows.values_list(
        "account_id", "moved_at", "amount", "currency"
    ):
        place = int(np.searchsorted(ordinals, at.astimezone(zones[account_id]).date().toordinal()))
        if currency == currencies[account_id] and place < len(days):
            moved.setdefault(days[place], []).append((account_id, float(amount)))
    return moved
