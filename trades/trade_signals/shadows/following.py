"""Enter, mark and end the shadow positions of signals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import transaction

from config.core.clock import market_now
from portfolio.amounts import fitting_amount
from portfolio.domain import ExecutionKind
from portfolio.models import Quote
from trades.expiry.settling import OPTIONS, Settled, settle
from trades.models import ShadowPosition
from trades.trade_signals.announcing import show_after_commit, tell_after_commit
from trades.trade_signals.shadows.paper import Paper, mid_of, worse

Status = ShadowPosition.Status
_BATCH: Final = 500
#: A quote from before a signal's expiry may arrive so late: delayed feeds are 15 minutes behind.
_LATE: Final = timedelta(hours=1)
_WRITTEN: Final = (
    "status", "entry_mid", "entry_price", "entry_source", "opened_at", "price", "price_source",
    "price_as_of", "close_price", "closed_at", "closed_kind", "pnl",
)  # fmt: skip


def follow_shadows() -> int:
    """Bring every shadow position up to its last quote; return how many rows changed.

    A signal's legs are entered together, once each has a quote that is not older than the signal.
    One that can never be entered is missed; nothing is entered at a price from before the signal,
    or from its expiry on, when nobody would have traded it.
    """
    signals = list(
        ShadowPosition.objects.filter(status__in=(Status.WAITING, Status.OPEN))
        .order_by("signal_id")
        .values_list("signal_id", flat=True)
        .distinct()
    )
    changed = 0
    for start in range(0, len(signals), _BATCH):
        changed += _follow(signals[start : start + _BATCH])
    return changed


@transaction.atomic
def _follow(signals: Sequence[int]) -> int:
    at = market_now()
    rows = (
        ShadowPosition.objects.select_for_update(of=("self",))
        .filter(signal__in=signals, status__in=(Status.WAITING, Status.OPEN))
        .select_related("signal__source", "instrument")
        .order_by("pk")
    )
    legs: dict[int, list[ShadowPosition]] = defaultdict(list)
    for row in rows:
        legs[row.signal_id].append(row)
    every = [row for of_signal in legs.values() for row in of_signal]
    quotes = Quote.objects.in_bulk({row.instrument_id for row in every})
    expired = settle({row.instrument_id for row in every if _has_expired(row, at)})
    before = {row.pk: row.status for row in every}
    changed = []
    for of_signal in legs.values():
        changed += _enter([row for row in of_signal if row.status == Status.WAITING], quotes, at)
        opened = [row for row in of_signal if row.status == Status.OPEN]
        changed += [row for row in opened if _mark(row, quotes, expired)]
    unique = list({row.pk: row for row in changed}.values())
    ShadowPosition.objects.bulk_update(unique, _WRITTEN, batch_size=200)
    show_after_commit(row.signal.source.owner_id for row in unique)
    tell_after_commit(row.signal.source.owner_id for row in unique if row.status != before[row.pk])
    return len(unique)


def _has_expired(row: ShadowPosition, at: datetime) -> bool:
    expires_at = row.instrument.expires_at
    return expires_at is not None and expires_at <= at


def _enter(
    legs: Sequence[ShadowPosition], quotes: Mapping[int, Quote], at: datetime
) -> list[ShadowPosition]:
    """Enter the waiting legs of one signal if every one has a quote; return those that changed."""
    if any(_is_too_late(leg, quotes.get(leg.instrument_id), at) for leg in legs):
        for leg in legs:
            leg.status = Status.MISSED
        return list(legs)
    entries: list[tuple[ShadowPosition, Quote, Decimal]] = []
    for leg in legs:
        quote = quotes.get(leg.instrument_id)
        mid = _entry_mid(leg, quote)
        if quote is None or mid is None:
            return []
        entries.append((leg, quote, mid))
    for leg, quote, mid in entries:
        leg.status = Status.OPEN
        leg.entry_mid = fitting_amount(mid)
        price = worse(mid, leg.quantity, leg.signal.source.shadow_slippage)
        leg.entry_price = fitting_amount(price)
        leg.entry_source, leg.opened_at = quote.source, quote.as_of
    return [leg for leg, _, _ in entries]


def _entry_mid(leg: ShadowPosition, quote: Quote | None) -> Decimal | None:
    """Return the mid of a quote that is not older than the leg's signal."""
    if quote is None or quote.as_of < leg.signal.created_at:
        return None
    return _mid(leg, quote)


def _is_too_late(leg: ShadowPosition, quote: Quote | None, at: datetime) -> bool:
    """Return whether nothing can enter a leg any more. The quote's own time counts, not ours."""
    ends = leg.signal.expires_at
    return _has_expired(leg, at) or (
        ends is not None
        and (
            (quote is not None and quote.as_of >= ends)
            or (at >= ends + _LATE and _entry_mid(leg, quote) is None)
        )
    )


def _mark(row: ShadowPosition, quotes: Mapping[int, Quote], expired: Mapping[int, Settled]) -> bool:
    """Mark, settle or close one open leg; return whether it changed."""
    if row.entry_price is None or row.opened_at is None:
        return False
    paper = Paper(
        multiplier=row.instrument.multiplier,
        quantity=row.quantity,
        price=row.entry_price,
        at=row.opened_at,
    )
    if (end := expired.get(row.instrument_id)) is not None:
        is_option = row.instrument.kind in OPTIONS
        kind = ExecutionKind.EXPIRATION if is_option else ExecutionKind.CASH_SETTLEMENT
        _close(row, paper, end.value, end.at, kind)
        return True
    quote = quotes.get(row.instrument_id)
    if quote is None or quote.as_of < row.opened_at or quote.as_of == row.price_as_of:
        return False
    mid = _mid(row, quote)
    if mid is not None and _is_over(row, quote.as_of):
        price = worse(mid, -row.quantity, row.signal.source.shadow_slippage)
        _close(row, paper, price, quote.as_of, ExecutionKind.TRADE)
        return True
    price = mid if mid is not None else quote.price
    row.price, row.price_source, row.price_as_of = fitting_amount(price), quote.source, quote.as_of
    row.pnl = fitting_amount(paper.profit(price, at=quote.as_of))
    return True


def _is_over(row: ShadowPosition, at: datetime) -> bool:
    days = row.signal.source.hold_days
    return (
        days is not None
        and row.opened_at is not None
        and (at >= row.opened_at + timedelta(days=days))
    )


def _close(
    row: ShadowPosition, paper: Paper, price: Decimal | None, at: datetime, kind: ExecutionKind
) -> None:
    row.status = Status.CLOSED
    row.close_price = fitting_amount(price)
    row.closed_at, row.closed_kind = at, kind.value
    row.pnl = fitting_amount(paper.profit(price, at=at, kind=kind))


def _mid(row: ShadowPosition, quote: Quote) -> Decimal | None:
    return mid_of(row.instrument.kind, bid=quote.bid, ask=quote.ask, price=quote.price)


def unquoted_instruments(*, older_than: datetime) -> dict[int, set[int]]:
    """Return the contracts of shadow positions whose quote is old or missing, by owner."""
    waiting: Iterable[tuple[int, int]] = (
        ShadowPosition.objects.filter(status__in=(Status.WAITING, Status.OPEN))
        .exclude(instrument__quote__as_of__gte=older_than)
        .exclude(instrument__expires_at__lte=market_now())
        .order_by()
        .values_list("signal__source__owner_id", "instrument_id")
        .distinct()
    )
    found: dict[int, set[int]] = defaultdict(set)
    for owner, instrument in waiting:
        found[owner].add(instrument)
    return found
