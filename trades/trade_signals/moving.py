"""Move signals from state to state, each step with its reason. Nothing else changes a status."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from auth_tokens.models import User
from config.core.clock import market_now
from config.core.errors import Conflict
from trades.models import SignalChange, TradeSignal
from trades.trade_signals.announcing import tell_after_commit
from trades.trade_signals.states import LIVE, Status, steps_between

_MOST_AT_ONCE = 500


@transaction.atomic
def move_signal(
    signal: TradeSignal,
    *,
    to: str,
    reason: str,
    user: User | None = None,
    at: datetime | None = None,
    corrects: bool = False,
) -> TradeSignal:
    """Move a signal to a status, through those between. Raises Conflict if no step leads there."""
    locked = TradeSignal.objects.select_for_update(of=("self",)).select_related("source")
    found = locked.get(pk=signal.pk)
    steps = steps_between(found.status, to, corrects=corrects)
    if steps is None:
        raise Conflict(f"The signal is {found.status}: it cannot become {to}.")
    moment = at or market_now()
    if to == Status.ACTIVE and not corrects and found.expires_at and found.expires_at <= moment:
        raise Conflict("The signal's time is over.")
    for step in steps:
        SignalChange.objects.create(
            signal=found, before=found.status, after=step, at=moment, reason=reason[:200], user=user
        )
        found.status = step
    found.save(update_fields=["status"])
    tell_after_commit([found.source.owner_id])
    return found


def expire_signals() -> int:
    """Expire the signals past their time; return how many."""
    at = market_now()
    due = TradeSignal.objects.filter(status__in=LIVE, expires_at__lte=at).order_by("expires_at")
    expired = 0
    for signal in due[:_MOST_AT_ONCE]:
        try:
            move_signal(signal, to=Status.EXPIRED, reason="Its time was over", at=signal.expires_at)
        except Conflict:
            # Executed or cancelled meanwhile.
            continue
        expired += 1
    return expired
