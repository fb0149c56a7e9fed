"""Signals for the demo: two sources, the trades that followed, rules, and queued signals."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import transaction

from auth_tokens.models import User
from config.core.clock import market_now
from portfolio.amounts import fitting_amount
from portfolio.models import Account
from trades.models import ExitRule, ShadowPosition, SignalChange, SignalSource, Trade, TradeSignal
from trades.trade_signals.exits.writing import RuleValues, save_rule
from trades.trade_signals.shadows.paper import Paper, worse

_SOURCES: Final = ("Vega letters", "Morning scan")
_RULES: Final = (
    RuleValues(name="Half of the profit", kind="profit_target", threshold=50, band=10),
    RuleValues(name="Twice the premium", kind="stop_loss", threshold=200, band=20),
    RuleValues(name="Three weeks left", kind="days_to_expiry", threshold=21),
    RuleValues(name="Short leg at 0.30", kind="delta_breach", threshold=0.3, band=0.05),
)
_PAST: Final = 24
_HISTORY: Final = timedelta(days=60)
_WAITING: Final = 4


@transaction.atomic
def seed_demo_signals() -> int:
    """Write the demo's signals once its journal has its history; return how many were written.

    Shadows of past trades are entered at the trades' own prices: nobody quoted them then.
    """
    account = Account.objects.filter(simulated=True).select_related("owner").first()
    trades = list(
        Trade.objects.filter(account__simulated=True, opened_at__isnull=False)
        .prefetch_related("legs__instrument")
        .order_by("-opened_at")[: _PAST + _WAITING]
    )
    # Before the older statements are read, fills look like openings that are none.
    has_history = Trade.objects.filter(opened_at__lt=market_now() - _HISTORY).exists()
    if account is None or len(trades) < _WAITING or not has_history:
        return 0
    owner = account.owner
    own = TradeSignal.objects.filter(source__owner=owner)
    if own.filter(legs__isnull=False).exists():
        return 0
    # What an earlier demo market left behind.
    own.delete()
    sources = [SignalSource.objects.get_or_create(owner=owner, name=name)[0] for name in _SOURCES]
    for values in _RULES:
        if not ExitRule.objects.filter(owner=owner, name=values.name).exists():
            save_rule(user=owner, values=values)
    waiting = [trade for trade in trades if trade.status == Trade.Status.OPEN][:_WAITING]
    for number, trade in enumerate(trades):
        _past(sources[number % 3 == 0], trade, owner)
    for number, trade in enumerate(waiting):
        _waiting(sources[number % 2], trade, number)
    return len(trades) + len(waiting)


def _past(source: SignalSource, trade: Trade, owner: User) -> None:
    """Write a signal that came ten minutes before a trade and was followed by it."""
    at = (trade.opened_at or market_now()) - timedelta(minutes=10)
    signal = _signal(source, trade, at=at, status=TradeSignal.Status.EXECUTED)
    signal.opening_id, signal.tied_by, signal.tied_at = trade.key, TradeSignal.Tie.WINDOW.value, at
    signal.save()
    steps = [("", "queued"), ("queued", "active"), ("active", "executed")]
    SignalChange.objects.bulk_create(
        SignalChange(
            signal=signal, before=before, after=after, at=at + timedelta(minutes=5 * number),
            reason="Simulated", user=owner if after == "active" else None,
        )
        for number, (before, after) in enumerate(steps)
    )  # fmt: skip
    for leg in trade.legs.all():
        if leg.open_price is None or leg.opened_at is None:
            continue
        slippage = source.shadow_slippage
        entry = worse(leg.open_price, leg.quantity, slippage)
        paper = Paper(
            multiplier=leg.instrument.multiplier,
            quantity=leg.quantity,
            price=entry,
            at=leg.opened_at,
        )
        is_closed = leg.closed_at is not None and leg.close_price is not None
        close = worse(leg.close_price or Decimal(0), -leg.quantity, slippage)
        ShadowPosition.objects.create(
            signal=signal,
            instrument=leg.instrument,
            quantity=leg.quantity,
            status="closed" if is_closed else "open",
            entry_mid=leg.open_price,
            entry_price=fitting_amount(entry),
            entry_source="simulated",
            opened_at=leg.opened_at,
            close_price=fitting_amount(close) if is_closed else None,
            closed_at=leg.closed_at if is_closed else None,
            closed_kind=leg.closed_kind if is_closed else "",
            pnl=fitting_amount(paper.profit(close, at=leg.closed_at or at)) if is_closed else None,
        )


def _waiting(source: SignalSource, trade: Trade, number: int) -> None:
    """Write a signal of the last hours on what is open now."""
    at = market_now() - timedelta(minutes=20 + 45 * number)
    signal = _signal(source, trade, at=at, status=TradeSignal.Status.QUEUED)
    signal.expires_at = market_now() + timedelta(hours=4 + 3 * number)
    signal.confidence = 0.55 + 0.1 * number
    # By hand without a trade: it is not tied to the position that it resembles.
    signal.tied_by = TradeSignal.Tie.HAND.value
    signal.save()
    SignalChange.objects.create(signal=signal, after="queued", at=at, reason="Simulated")
    ShadowPosition.objects.bulk_create(
        ShadowPosition(signal=signal, instrument=leg.instrument, quantity=leg.quantity)
        for leg in trade.legs.all()
        if leg.open_quantity
    )


def _signal(source: SignalSource, trade: Trade, *, at: datetime, status: str) -> TradeSignal:
    is_long = (trade.premium or Decimal(0)) < 0
    return TradeSignal.objects.create(
        source=source,
        symbol=trade.underlying,
        underlying=trade.underlying,
        direction="long" if is_long else "short",
        quantity=max(trade.quantity, Decimal(1)),
        status=status,
        created_at=at,
        note=f"Simulated: {trade.name}",
    )
