"""Closing balances of accounts, and their deposits and withdrawals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import CharField, DateTimeField, FloatField, QuerySet
from django.db.models.functions import Cast
from numpy.typing import NDArray

from config.core.one_reading import once
from config.core.rows.kept_query import KeptQuery
from config.core.rows.reading import read_rows
from portfolio.domain import CashKind, ExecutionKind, Side
from portfolio.exposure.currencies import currency_of, rates_into
from portfolio.models import Account, AccountDay
from trades.analytics.span import Span
from trades.models import CashMovementRow, TradeExecution

Floats = NDArray[np.float64]
#: How far back the balance before the first day is looked for: the longest pause of an exchange.
_BEFORE: Final = timedelta(days=10)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """Closing net liquidation and external flows by session day, summed over accounts.

    If a close before the first day is known, it comes first, and ``first`` is 1, else 0. A flow
    of unknown worth is NaN. ``converted`` counts flows of other currencies, at the latest rates.
    """

    days: list[date]
    balance: Floats
    flows: Floats
    first: int
    left_out: int
    converted: int


@dataclass(frozen=True, slots=True)
class _Close:
    """A closing balance, including movements up to ``covers``."""

    day: date
    covers: datetime
    amount: float


@dataclass(frozen=True, slots=True)
class _Flow:
    account_id: str
    at: datetime
    amount: float


def balances(span: Span) -> Balances:
    """Read the accounts' closing balances in the days. Four queries, once a reading.

    Accounts in other currencies are left out and counted. An account without a row on a day counts
    with its last; the balance with which one begins is a deposit. What moves while an exchange is
    closed belongs to the first close that holds it.
    """
    ids = tuple(account.pk for account in span.accounts)
    name = ("balances", ids, span.currency, span.start, span.end)
    return once(name, lambda: _balances(span))


def _balances(span: Span) -> Balances:
    own = [account for account in span.accounts if currency_of(account) == span.currency]
    closes = _closes(own, span)
    known = [close for found in closes.values() for close in found]
    before = max((close.day for close in known if close.day < span.start), default=None)
    days = sorted({max(close.day, before or close.day) for close in known})
    place = {day: number for number, day in enumerate(days)}
    balance, flows = np.zeros(len(days)), np.zeros(len(days))
    for found in closes.values():
        held = np.array([place[max(close.day, before or close.day)] for close in found])
        amounts = np.array([close.amount for close in found])
        lasts = np.searchsorted(held, np.arange(len(days)), side="right") - 1
        balance += np.where(lasts >= 0, amounts[lasts], 0.0)
        if held[0] > 0:
            flows[held[0]] += amounts[0]
    moved, converted = _flows(span.currency, closes)
    for flow in moved:
        found = closes[flow.account_id]
        holder = next((close for close in found if flow.at <= close.covers), None)
        # The first close holds what moved before it.
        if holder is not None and holder is not found[0]:
            flows[place[holder.day]] += flow.amount
    return Balances(
        days=days,
        balance=balance,
        flows=flows,
        first=int(before is not None),
        left_out=len(span.accounts) - len(own),
        converted=converted,
    )


def _closes(accounts: Iterable[Account], span: Span) -> dict[str, list[_Close]]:
    """Return the closes of each account that has any, oldest first, at most one before the days."""
    zones = {account.pk: ZoneInfo(account.time_zone) for account in accounts}
    rows = AccountDay.objects.filter(
        account__in=list(zones),
        session_date__gte=max(span.start, date.min + _BEFORE) - _BEFORE,
        session_date__lte=span.end,
        net_liquidation__isnull=False,
    ).order_by("session_date")
    closes: dict[str, list[_Close]] = {}
    for account_id, day, amount, as_of in read_rows(
        rows.annotate(amount=Cast("net_liquidation", FloatField())),
        ("account_id", "session_date", "amount", "as_of"),
    ):
        found = closes.setdefault(account_id, [])
        if day < span.start:
            # Only the last of these counts.
            found.clear()
        # A day's row is written until the next session: it may hold a weekend.
        found.append(_Close(day, max(_end_of(day, zones[account_id]), as_of), amount))
    return {
        account_id: found for account_id, found in closes.items() if found[-1].day >= span.start
    }


@lru_cache(maxsize=10_000)
def _end_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the last instant of a day in a zone, UTC."""
    midnight = datetime.combine(day + _DAY, time(), tzinfo=zone)
    return midnight.astimezone(UTC) - timedelta.resolution


def _flows(currency: str, closes: Mapping[str, Sequence[_Close]]) -> tuple[list[_Flow], int]:
    """Return what moved between the closes, in ``currency``, and how much of it was converted."""
    if not closes:
        return [], 0
    since = min(found[0].covers for found in closes.values())
    until = max(found[-1].covers for found in closes.values())
    moved = [*_cash(closes, since, until), *_carried(closes, since, until)]
    rates = rates_into(currency, [name for name, _ in moved]) | {currency: 1.0}
    flows = [
        _Flow(flow.account_id, flow.at, flow.amount * rates.get(name, np.nan))
        for name, flow in moved
    ]
    return flows, sum(name != currency for name, _ in moved)


def _external(accounts: Any, since: Any, until: Any) -> QuerySet[CashMovementRow, Any]:
    return (
        CashMovementRow.objects.filter(
            account__pk__in=accounts,
            moved_at__gt=since,
            moved_at__lte=until,
            kind=CashKind.EXTERNAL_FLOW.value,
        )
        .order_by()
        .values_list("account_id", "moved_at", "amount", "currency")
    )


def _transfers(accounts: Any, since: Any, until: Any) -> QuerySet[TradeExecution, Any]:
    return (
        TradeExecution.objects.filter(
            account__pk__in=accounts,
            execution_time__gt=since,
            execution_time__lte=until,
            kind=ExecutionKind.TRANSFER.value,
            superseded=False,
            cancelled_by="",
        )
        .order_by()
        .values_list(
            "account_id", "execution_time", "side", "quantity", "price", "instrument__multiplier",
            "currency",
        )
    )  # fmt: skip


_ASKED: Final[dict[str, Any]] = {
    "accounts": CharField(),
    "since": DateTimeField(),
    "until": DateTimeField(),
}
_external_rows = KeptQuery(_external, **_ASKED)
_transfer_rows = KeptQuery(_transfers, **_ASKED)


def _cash(accounts: Iterable[str], since: datetime, until: datetime) -> Iterator[tuple[str, _Flow]]:
    for account_id, at, amount, currency in _external_rows(
        accounts=list(accounts), since=since, until=until
    ):
        yield currency, _Flow(account_id, at, float(amount))


def _carried(
    accounts: Iterable[str], since: datetime, until: datetime
) -> Iterator[tuple[str, _Flow]]:
    """Yield positions that came from or went to another account: NaN without a price."""
    for account_id, at, side, quantity, price, multiplier, currency in _transfer_rows(
        accounts=list(accounts), since=since, until=until
    ):
        worth = np.nan if price is None else float(price * quantity * multiplier)
        yield currency, _Flow(account_id, at, -worth if side == Side.SELL.value else worth)
