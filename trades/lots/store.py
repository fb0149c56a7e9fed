"""Compute lots again from the executions, for what changed or for everything."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from django.db.models import Q

from config.core.caching.changes import Change
from config.core.caching.invalidation import invalidate_after_commit
from config.core.rows.reading import batched
from config.core.upsert import insert_rows
from greeks.providers.decoding import SMALLEST_STEP
from portfolio.amounts import fitting_amount
from portfolio.domain import ExecutionKind
from portfolio.models import Account
from trades.lots.events_reading import (
    connected_instruments,
    methods_of,
    of_instruments,
    position_events,
)
from trades.lots.lot import ClosedLot, Lot
from trades.lots.matching import match_lots
from trades.lots.transfers import lots_brought
from trades.models import ProvisionalClose, TradeExecution, TradeLot

#: Instruments whose lots are computed together.
_INSTRUMENTS_AT_ONCE: Final = 5_000
_COLUMNS = (
    "account_id", "instrument_id", "opened_by_id", "opened_at", "currency", "quantity",
    "open_price", "open_costs", "closed_by_id", "closed_at", "closed_kind", "close_price",
    "close_costs", "gross", "net", "awaiting",
)  # fmt: skip


def store_lots(changed: Iterable[tuple[str, int]]) -> dict[str, set[int]]:
    """Replace the lots of these accounts' instruments. Runs in the writer's transaction.

    A corporate action carries lots from one contract to another: those it connects are computed
    together, the others so many at a time as memory should hold. Returns the instruments whose lots
    were computed, by account.
    """
    by_account: dict[str, set[int]] = {}
    for account_id, instrument_id in changed:
        by_account.setdefault(account_id, set()).add(instrument_id)
    for account_id in sorted(by_account):
        computed: set[int] = set()
        for some in batched(sorted(by_account[account_id]), _INSTRUMENTS_AT_ONCE):
            together = connected_instruments([account_id], some) - computed
            if together:
                _replace(account_id, of_instruments(together))
            computed |= together
        by_account[account_id] = computed
    return by_account


@transaction.atomic
def rebuild_lots(account: Account) -> int:
    """Compute all lots of an account again; return how many there are."""
    Account.objects.select_for_update().get(pk=account.pk)
    return _replace(account.pk, [Q()])


def _replace(account_id: str, parts: Iterable[Q]) -> int:
    """Compute the lots of these parts of an account together; return how many there are."""
    events = []
    ended: dict[int, ProvisionalClose] = {}
    for part in parts:
        events += position_events(TradeExecution.objects.filter(part, account=account_id))
        TradeLot.objects.filter(part, account=account_id).delete()
        closes = ProvisionalClose.objects.filter(part, account=account_id)
        ended |= {close.instrument_id: close for close in closes}
    brought = lots_brought(account_id, events)
    lots = match_lots(events, methods_of([account_id])[account_id], brought)
    rows = [_open_row(account_id, lot, ended.get(lot.instrument)) for lot in lots.open]
    rows += [_closed_row(account_id, lot) for lot in lots.closed]
    insert_rows(TradeLot, _COLUMNS, rows)
    invalidate_after_commit(
        Change.EXECUTION_UPDATE, account_ids=[account_id], triggered_by="lots computed"
    )
    return len(rows)


def _open_row(account_id: str, lot: Lot, ended: ProvisionalClose | None) -> tuple[Any, ...]:
    """Return an open lot; what is still open at a provisional close ended there."""
    close: tuple[Any, ...] = (None, None, "", None, None, None, None, False)
    if ended is not None and lot.opened_at <= ended.at:
        close = _provisional(lot, ended)
    return (
        account_id,
        lot.instrument,
        lot.opened_by,
        lot.opened_at,
        lot.currency,
        lot.quantity.quantize(SMALLEST_STEP),
        fitting_amount(lot.price),
        fitting_amount(lot.costs),
        *close,
    )


def _provisional(lot: Lot, ended: ProvisionalClose) -> tuple[Any, ...]:
    gross = None
    if lot.price is not None and ended.price is not None:
        gross = (ended.price - lot.price) * lot.quantity * lot.multiplier
    return (
        None,
        ended.at,
        ExecutionKind.EXPIRATION.value,
        fitting_amount(ended.price),
        Decimal(0),
        fitting_amount(gross),
        fitting_amount(None if gross is None else gross - lot.costs),
        not ended.is_final,
    )


def _closed_row(account_id: str, lot: ClosedLot) -> tuple[Any, ...]:
    return (
        account_id,
        lot.instrument,
        lot.opened_by,
        lot.opened_at,
        lot.currency,
        lot.quantity.quantize(SMALLEST_STEP),
        fitting_amount(lot.open_price),
        fitting_amount(lot.open_costs),
        lot.closed_by,
        lot.closed_at,
        lot.closed_kind.value,
        fitting_amount(lot.close_price),
        fitting_amount(lot.close_costs),
        fitting_amount(lot.gross),
        fitting_amount(lot.net),
        False,
    )
