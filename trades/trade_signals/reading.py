"""Sources and signals of a user."""

from __future__ import annotations

import hmac
import re
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from msgspec import UNSET

from auth_tokens.api_tokens.digests import token_digest
from auth_tokens.models import User
from config.core.errors import NotFound
from trades.models import SignalSource, TradeSignal
from trades.trade_signals import shapes

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


def signals_of(user: User | AnonymousUser) -> QuerySet[TradeSignal]:
    """Return the user's signals, newest first."""
    found = TradeSignal.objects.filter(source__owner=user.pk).select_related("source")
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


def signal_body(signal: TradeSignal) -> shapes.Signal:
    return shapes.Signal.of(
        signal,
        id=str(signal.pk),
        source=signal.source.name,
        confidence=UNSET if signal.confidence is None else signal.confidence,
    )
