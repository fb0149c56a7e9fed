"""Signals as the dashboard and the API show them, straight from the database each time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from django.db.models import BigIntegerField, CharField, DateTimeField, FloatField, Q, QuerySet
from django.db.models.functions import Cast
from msgspec import UNSET

from auth_tokens.models import User
from config.core.clock import market_now
from config.core.rows.kept_query import KeptQuery
from portfolio.accounts.scopes import accounts_in_view
from portfolio.models import Position
from trades.models import ExitSignal, ShadowPosition, TradeFill, TradeSignal
from trades.trade_signals import shapes

#: A section of the dashboard shows no more.
MOST_ROWS: Final = 500
_A_DAY: Final = timedelta(days=1)
_ID, _TEXT, _MOMENT = BigIntegerField(), CharField(), DateTimeField()


def _of_account(account: Any, prefix: str = "") -> Q:
    """Return the condition on signals of one account: those for it or for any."""
    if account is None:
        return Q()
    return Q((f"{prefix}account", account)) | Q((f"{prefix}account", None))


def _queued(owner: Any, at: Any, account: Any = None) -> QuerySet[TradeSignal, Any]:
    return (
        TradeSignal.objects.filter(_of_account(account), source__owner=owner)
        .filter(Q(expires_at=None) | Q(expires_at__gt=at), status=TradeSignal.Status.QUEUED)
        .values_list(
            "id", "source__name", "symbol", "direction", "status", "created_at", "expires_at",
            "confidence",
        )[:MOST_ROWS]
    )  # fmt: skip


def _held(owner: Any, account: Any = None) -> QuerySet[ShadowPosition, Any]:
    amounts = [Cast(name, FloatField()) for name in ("quantity", "entry_price", "price", "pnl")]
    return (
        ShadowPosition.objects.filter(_of_account(account, "signal__"), signal__source__owner=owner)
        .filter(
            status=ShadowPosition.Status.OPEN, entry_price__isnull=False, opened_at__isnull=False
        )
        .order_by("-opened_at", "-pk")
        .values_list(
            "id",
            "instrument__symbol",
            "instrument__currency",
            *amounts,
            "signal_id",
            "signal__source__name",
            "opened_at",
        )[:MOST_ROWS]
    )


def _exits(owner: Any, accounts: Any, since: Any) -> QuerySet[ExitSignal, Any]:
    recently = Q(status=ExitSignal.Status.EXECUTED, executed_at__gte=since)
    return (
        ExitSignal.objects.filter(rule__owner=owner, account__pk__in=accounts)
        .filter(Q(status=ExitSignal.Status.ACTIVE) | recently)
        .order_by("status", "-fired_at", "-pk")
        .values_list("id", "opening_id", "rule__kind", "fired_at", "status")[:MOST_ROWS]
    )


_queued_rows = KeptQuery(_queued, owner=_ID, at=_MOMENT, account=_TEXT)
_held_rows = KeptQuery(_held, owner=_ID, account=_TEXT)
_exit_rows = KeptQuery(_exits, owner=_ID, accounts=_TEXT, since=_MOMENT)


def queued_signals(user: User, *, account_id: str | None = None) -> list[shapes.Signal]:
    """Return the signals that wait for a decision, newest first. One query."""
    rows = _queued_rows(owner=user.pk, at=market_now(), **_asked(account_id))
    return [
        shapes.Signal(
            id=str(pk),
            source=source,
            symbol=symbol,
            direction=direction,
            status=status,
            created_at=created_at,
            expires_at=expires_at,
            confidence=UNSET if confidence is None else confidence,
        )
        for pk, source, symbol, direction, status, created_at, expires_at, confidence in rows
    ]


def shadow_positions(user: User, *, account_id: str | None = None) -> list[shapes.ShadowPosition]:
    """Return the open shadow positions, newest first. One query."""
    rows = _held_rows(owner=user.pk, **_asked(account_id))
    return [
        shapes.ShadowPosition(
            id=str(pk),
            symbol=symbol,
            quantity=quantity,
            entry_price=entry,
            current_price=price,
            pnl=pnl,
            currency=currency,
            status="open",
            signal_id=str(signal),
            source=source,
            opened_at=opened_at,
        )
        for pk, symbol, currency, quantity, entry, price, pnl, signal, source, opened_at in rows
    ]


def exit_signals(user: User, *, account_id: str | None = None) -> list[shapes.ExitSignal]:
    """Return what the user's rules say now, and what was executed in the last day. Three queries.

    An active signal names the position of the trade's first open leg, while the broker shows one.
    """
    accounts = [each.pk for each in accounts_in_view(user) if account_id in (None, each.pk)]
    rows = _exit_rows(owner=user.pk, accounts=accounts, since=market_now() - _A_DAY)
    positions = _positions([opening for _, opening, *_ in rows])
    return [
        shapes.ExitSignal(
            id=str(pk),
            position_id=positions.get(opening),
            signal_type=kind,
            timestamp=fired_at,
            status=status,
        )
        for pk, opening, kind, fired_at, status in rows
    ]


def _asked(account_id: str | None) -> dict[str, str]:
    return {} if account_id is None else {"account": account_id}


def _positions(openings: Collection[int]) -> dict[int, str]:
    """Return the public id of the first position of each opening's trade. Two queries."""
    if not openings:
        return {}
    opened = TradeFill.objects.filter(role=TradeFill.Role.OPEN.value, key__in=list(openings))
    legs = opened.filter(trade__legs__closed_at=None).order_by("trade__legs__id")
    places = list(
        legs.values_list("key", "trade__account_id", "trade__legs__instrument_id").distinct()
    )
    held = Position.objects.filter(
        account__in={account for _, account, _ in places},
        instrument__in={instrument for _, _, instrument in places},
    ).exclude(quantity=0)
    ids = {
        (account, instrument): str(pk)
        for pk, account, instrument in held.values_list("pk", "account_id", "instrument_id")
    }
    found: dict[int, str] = {}
    for key, account, instrument in places:
        if (account, instrument) in ids:
            found.setdefault(key, ids[account, instrument])
    return found
