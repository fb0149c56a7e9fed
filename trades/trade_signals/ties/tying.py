"""Tie signals to the trades that followed: by the order's reference, by window, by hand.

A tie names the execution that opened the trade, in its first revision, never the trade: rebuilds,
merges and corrections leave it as it is. It ends when that execution opens nothing any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef

from auth_tokens.models import User
from config.core.clock import market_now
from config.core.errors import Conflict, NotFound
from greeks.domain import InstrumentKind, Right
from portfolio.accounts.access import accounts_visible_to
from trades.models import Trade, TradeFill, TradeLeg, TradeSignal
from trades.strategies.payoff import PayoffLeg
from trades.trade_signals.announcing import tell_after_commit
from trades.trade_signals.moving import move_signal
from trades.trade_signals.states import Status
from trades.trade_signals.ties.matching import Opened, Side, Wanted, is_long, match_by_window

#: An older signal without a trade is not looked at again.
LOOKED_AT: Final = timedelta(days=30)
#: Brokers' clocks and ours differ.
_TOLERANCE: Final = timedelta(minutes=1)
_MOST: Final = 1000
_FIRST: Final = timedelta(days=1)
#: Where brokers repeat the reference that came with the order.
_REFERENCES: Final = (
    "order_ref", "orderRef", "orderReference", "ext-client-order-id", "ext-exchange-order-number",
)  # fmt: skip
_OPTIONS: Final = (InstrumentKind.OPTION.value, InstrumentKind.FUTURE_OPTION.value)


def tie_signals() -> int:
    """Tie what can be tied; return how many signals were. A fixed number of queries an owner."""
    since = market_now() - LOOKED_AT
    open_ties = TradeSignal.objects.filter(opening=None, tied_by="", created_at__gte=since).exclude(
        status=Status.CANCELLED
    )
    by_owner: dict[int, list[TradeSignal]] = defaultdict(list)
    for signal in open_ties.select_related("source__owner").order_by("created_at")[:_MOST]:
        by_owner[signal.source.owner_id].append(signal)
    return sum(_tie_of_owner(signals) for signals in by_owner.values())


def release_ties() -> int:
    """Untie automatically tied signals whose fill opens no trade; return how many were.

    Older history may show that a fill closed what was held before, and a broker may cancel it.
    """
    opens = TradeFill.objects.filter(key=OuterRef("opening_id"), role=TradeFill.Role.OPEN.value)
    found = TradeSignal.objects.filter(~Exists(opens), opening__isnull=False).exclude(
        tied_by=TradeSignal.Tie.HAND
    )
    return sum(_release(signal) for signal in found.select_related("source")[:_MOST])


@transaction.atomic
def _release(signal: TradeSignal) -> int:
    released = TradeSignal.objects.filter(
        pk=signal.pk, opening=signal.opening_id, tied_by=signal.tied_by
    ).update(opening=None, tied_by="", tied_at=None)
    if released and signal.status == Status.EXECUTED:
        reason = "The fill that followed opens no trade: it closed an older one, or was cancelled"
        move_signal(signal, to=Status.ACTIVE, reason=reason, corrects=True)
    return released


def _tie_of_owner(signals: Sequence[TradeSignal]) -> int:
    visible = list(
        accounts_visible_to(signals[0].source.owner).order_by().values_list("pk", flat=True)
    )
    first = min(signal.created_at for signal in signals)
    trades = Trade.objects.filter(
        account__in=visible,
        opened_at__gte=first - _TOLERANCE,
        underlying__in={signal.underlying for signal in signals},
    )
    opened = {trade.key: trade for trade in trades}
    if not opened:
        return 0
    tied = 0
    found = _by_reference(signals, opened)
    for signal, key in found.items():
        tied += _tie(signal, opened[key], TradeSignal.Tie.ORDER)
    others = [signal for signal in signals if signal not in found]
    taken = TradeSignal.objects.filter(opening__in=list(opened)).values_list("opening_id")
    free = opened.keys() - {key for (key,) in taken}
    by_id = {signal.pk: signal for signal in others}
    matched = match_by_window(_wanted(others, visible), _opened(opened, free))
    for number, key in matched.items():
        tied += _tie(by_id[number], opened[key], TradeSignal.Tie.WINDOW)
    return tied


def _by_reference(
    signals: Sequence[TradeSignal], opened: Mapping[int, Trade]
) -> dict[TradeSignal, int]:
    """Return the openings whose order has a signal's reference, the first one of each."""
    wanted = {signal.order_reference: signal for signal in signals if signal.order_reference}
    if not wanted:
        return {}
    fills = TradeFill.objects.filter(trade__in=list(opened), role=TradeFill.Role.OPEN.value)
    found: dict[TradeSignal, int] = {}
    rows = fills.order_by("execution__execution_time", "pk").values_list(
        "trade_id", "execution__account_id", "execution__execution_time", "execution__order_id",
        "execution__raw_payload",
    )  # fmt: skip
    for trade, account, at, order, payload in rows:
        for name in order_names(order, payload):
            signal = wanted.get(name)
            if (
                signal is not None
                and at >= signal.created_at - _TOLERANCE
                and signal.account_id in (None, account)
            ):
                found.setdefault(signal, trade)
    return found


def order_names(order_id: str, payload: Any) -> set[str]:
    """Return every name that a fill's order goes by: its id and the references sent with it."""
    names = {order_id}
    if isinstance(payload, dict):
        names |= {str(payload[name]) for name in _REFERENCES if payload.get(name)}
    return names - {""}


def _wanted(signals: Iterable[TradeSignal], visible: Collection[str]) -> list[Wanted]:
    rows = {signal.pk: signal for signal in signals}
    legs: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    of_signals = TradeSignal.objects.filter(pk__in=list(rows)).values_list(
        "pk", "legs__instrument", "legs__quantity", "legs__instrument__kind"
    )
    for number, *leg in of_signals:
        legs[number].append(tuple(leg))
    found = []
    for pk, signal in rows.items():
        until = signal.created_at + timedelta(minutes=signal.source.window_minutes)
        found.append(
            Wanted(
                signal=pk,
                at=signal.created_at - _TOLERANCE,
                until=min(until, signal.expires_at or until),
                accounts=frozenset([signal.account_id] if signal.account_id else visible),
                underlying=signal.underlying,
                is_long=signal.direction == TradeSignal.Direction.LONG.value,
                legs=_sides(legs[pk], signal),
            )
        )
    return found


def _sides(legs: Sequence[tuple[Any, ...]], signal: TradeSignal) -> frozenset[Side]:
    names_underlying = len(legs) == 1 and signal.symbol == signal.underlying
    if names_underlying and legs[0][2] not in _OPTIONS:
        return frozenset()
    return frozenset((instrument, quantity > 0) for instrument, quantity, _ in legs)


def _opened(trades: Mapping[int, Trade], keys: Collection[int]) -> list[Opened]:
    legs: dict[int, list[TradeLeg]] = defaultdict(list)
    for leg in TradeLeg.objects.filter(trade__in=list(keys)).select_related("instrument"):
        legs[leg.trade_id].append(leg)
    found = []
    for key in keys:
        trade = trades[key]
        # What was rolled or delivered later says nothing about the entry.
        first = [leg for leg in legs[key] if _is_first(leg.opened_at, trade.opened_at)]
        found.append(
            Opened(
                key=key,
                at=trade.opened_at or market_now(),
                account=trade.account_id,
                underlying=trade.underlying,
                is_long=is_long(_payoff_leg(leg) for leg in first),
                legs=frozenset((leg.instrument_id, leg.quantity > 0) for leg in first),
            )
        )
    return found


def _is_first(leg: datetime | None, trade: datetime | None) -> bool:
    return leg is not None and trade is not None and leg - trade <= _FIRST


def _payoff_leg(leg: TradeLeg) -> PayoffLeg:
    row = leg.instrument
    return PayoffLeg(
        quantity=leg.quantity,
        multiplier=row.multiplier,
        price=leg.open_price or Decimal(0),
        strike=row.strike,
        right=Right(row.right) if row.right else None,
    )


@transaction.atomic
def _tie(signal: TradeSignal, trade: Trade, how: TradeSignal.Tie) -> int:
    """Tie one signal unless somebody has meanwhile; return how many were (one or none)."""
    at = market_now()
    # One statement decides among workers and hands.
    tied = TradeSignal.objects.filter(pk=signal.pk, opening=None, tied_by="").update(
        opening=trade.key, tied_by=how.value, tied_at=at
    )
    if tied:
        moment = trade.opened_at or at
        in_time = signal.expires_at is None or moment <= signal.expires_at
        _execute(signal, reason=f"{how.label}: {trade}", corrects=in_time)
    return tied


def _execute(signal: TradeSignal, *, reason: str, corrects: bool, user: User | None = None) -> None:
    try:
        move_signal(signal, to=Status.EXECUTED, reason=reason, user=user, corrects=corrects)
    except Conflict:
        # Taken after its time, or executed before: the tie stands, the status stays.
        tell_after_commit([signal.source.owner_id])


@transaction.atomic
def tie_by_hand(*, user: User, signal: TradeSignal, trade: Trade) -> None:
    """Say which trade followed a signal. Raises NotFound or Conflict."""
    found = TradeSignal.objects.select_for_update().get(pk=signal.pk)
    if trade.underlying != found.underlying:
        raise Conflict(f"The trade is of {trade.underlying}, the signal of {found.underlying}.")
    if found.status == Status.CANCELLED:
        raise Conflict("The signal is cancelled.")
    _keep(found, opening=trade.key)
    _execute(found, reason=f"By hand: {trade}", user=user, corrects=True)


@transaction.atomic
def untie(*, user: User, signal: TradeSignal) -> None:
    """Say that no trade followed a signal; it is not tied automatically again."""
    found = TradeSignal.objects.select_for_update().get(pk=signal.pk)
    if found.opening_id is None:
        raise NotFound("No trade is tied to the signal.")
    _keep(found, opening=None)
    if found.status == Status.EXECUTED:
        move_signal(found, to=Status.ACTIVE, reason="Untied by hand", user=user, corrects=True)
    else:
        tell_after_commit([found.source.owner_id])


def _keep(signal: TradeSignal, *, opening: int | None) -> None:
    signal.opening_id = opening
    signal.tied_by, signal.tied_at = TradeSignal.Tie.HAND.value, market_now()
    signal.save(update_fields=["opening", "tied_by", "tied_at"])
