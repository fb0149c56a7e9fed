"""Signals and shadow positions of a user, as the pages, the API and the dashboard read them."""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet
from msgspec import UNSET

from auth_tokens.api_tokens.digests import token_digest
from auth_tokens.models import User
from config.core.clock import market_now
from config.core.errors import NotFound
from portfolio.accounts.scopes import accounts_in_view
from portfolio.models import Position
from trades.models import ExitSignal, ShadowPosition, SignalSource, TradeFill, TradeSignal
from trades.trade_signals import shapes
from trades.trade_signals.states import Status

#: A section of the dashboard shows no more.
MOST_ROWS: Final = 500
# What the sections show: naming every column of four models costs more than the query.
_SIGNAL_COLUMNS: Final = (
    "symbol", "direction", "status", "created_at", "expires_at", "confidence", "source__name",
)  # fmt: skip
_SHADOW_COLUMNS: Final = (
    "quantity", "entry_price", "price", "pnl", "opened_at", "signal__source__name",
    "instrument__symbol",
)  # fmt: skip
_EXIT_COLUMNS: Final = ("opening_id", "fired_at", "status", "rule__kind")
_A_DAY: Final = timedelta(days=1)
TOKEN_PREFIX: Final = "gs_"  # noqa: S105 -- marks our tokens for secret scanners; not a secret
_TOKEN: Final = re.compile(rf"{TOKEN_PREFIX}[A-Za-z0-9_-]{{43}}", re.ASCII)


def sources_of(user: User | AnonymousUser) -> QuerySet[SignalSource]:
    """Return the user's sources. Signals are private to who owns their source."""
    return SignalSource.objects.filter(owner=user.pk) if user.pk else SignalSource.objects.none()


def source_by_token(text: str) -> SignalSource | None:
    """Return the enabled source with this token and its owner, or ``None``. One query.

    The look-up goes by digest, so its time says nothing about the text.
    """
    if not _TOKEN.fullmatch(text):
        return None
    digest = token_digest(text)
    found = SignalSource.objects.select_related("owner").filter(
        token_digest=digest, enabled=True, owner__is_active=True
    )
    source = found.first()
    if source is None or not hmac.compare_digest(source.token_digest, digest):
        return None
    return source


def signals_of(
    user: User | AnonymousUser, *, account_id: str | None = None
) -> QuerySet[TradeSignal]:
    """Return the user's signals, newest first; of one account: those for it or for any."""
    found = TradeSignal.objects.filter(source__owner=user.pk).select_related("source")
    if account_id:
        found = found.filter(Q(account=account_id) | Q(account=None))
    return found if user.pk else found.none()


def midnight_of(user: User, day: date) -> datetime:
    """Return when a day begins in the user's zone."""
    return datetime.combine(day, time(), tzinfo=ZoneInfo(user.time_zone or settings.TIME_ZONE))


def signal_for_user(user: User | AnonymousUser, signal_id: int) -> TradeSignal:
    """Return one of the user's signals. Raises NotFound."""
    found = signals_of(user).filter(pk=signal_id).first()
    if found is None:
        raise NotFound("No such signal.")
    return found


def queued_signals(user: User, *, account_id: str | None = None) -> list[shapes.Signal]:
    """Return the signals that wait for a decision, newest first. One query."""
    waiting = signals_of(user, account_id=account_id).filter(
        Q(expires_at=None) | Q(expires_at__gt=market_now()), status=Status.QUEUED
    )
    return [signal_body(signal) for signal in waiting.only(*_SIGNAL_COLUMNS)[:MOST_ROWS]]


def signal_body(signal: TradeSignal) -> shapes.Signal:
    return shapes.Signal(
        id=str(signal.pk),
        source=signal.source.name,
        symbol=signal.symbol,
        direction=signal.direction,
        status=signal.status,
        created_at=signal.created_at,
        expires_at=signal.expires_at,
        confidence=UNSET if signal.confidence is None else signal.confidence,
    )


def shadow_positions(user: User, *, account_id: str | None = None) -> list[shapes.ShadowPosition]:
    """Return the open shadow positions, newest first. One query."""
    held = ShadowPosition.objects.filter(
        signal__source__owner=user.pk, status=ShadowPosition.Status.OPEN
    ).select_related("signal__source", "instrument")
    if account_id:
        held = held.filter(Q(signal__account=account_id) | Q(signal__account=None))
    return [
        shapes.ShadowPosition(
            id=str(row.pk),
            symbol=row.instrument.symbol,
            quantity=float(row.quantity),
            entry_price=float(row.entry_price),
            current_price=_number(row.price),
            pnl=_number(row.pnl),
            status="open",
            signal_id=str(row.signal_id),
            source=row.signal.source.name,
            opened_at=row.opened_at,
        )
        for row in held.order_by("-opened_at", "-pk").only(*_SHADOW_COLUMNS)[:MOST_ROWS]
        if row.entry_price is not None and row.opened_at is not None
    ]


def exit_signals(user: User, *, account_id: str | None = None) -> list[shapes.ExitSignal]:
    """Return what the user's rules say now, and what was executed in the last day. Three queries.

    An active signal names the position of the trade's first open leg, while the broker shows one.
    """
    accounts = [account.pk for account in accounts_in_view(user)]
    found = ExitSignal.objects.filter(rule__owner=user.pk, account__in=accounts)
    if account_id:
        found = found.filter(account=account_id)
    recently = Q(status=ExitSignal.Status.EXECUTED, executed_at__gte=market_now() - _A_DAY)
    shown = found.filter(Q(status=ExitSignal.Status.ACTIVE) | recently).select_related("rule")
    rows = list(shown.order_by("status", "-fired_at", "-pk").only(*_EXIT_COLUMNS)[:MOST_ROWS])
    positions = _positions([row.opening_id for row in rows])
    return [
        shapes.ExitSignal(
            id=str(row.pk),
            position_id=positions.get(row.opening_id),
            signal_type=row.rule.kind,
            timestamp=row.fired_at,
            status=row.status,
        )
        for row in rows
    ]


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


def _number(amount: Decimal | None) -> Any:
    return None if amount is None else float(amount)
