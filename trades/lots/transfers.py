"""Lots that move between two accounts of one owner keep their basis and their dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from portfolio.domain import ExecutionKind, Side
from portfolio.models import Account
from trades.lots.events import PositionEvent
from trades.lots.events_reading import (
    connected_instruments,
    methods_of,
    of_instruments,
    position_events,
)
from trades.lots.lot import Lot
from trades.lots.matching import match_lots
from trades.models import TradeExecution

#: From one broker to another takes about a week (ACATS), and each books it on its own day.
_LONGEST: Final = timedelta(days=10)


class _Transfer(NamedTuple):
    id: int
    account_id: str
    instrument_id: int
    side: str
    position_effect: str
    quantity: Decimal
    execution_time: datetime

    @property
    def comes_in(self) -> bool:
        if self.position_effect:
            return self.position_effect == "OPEN"
        return self.side == Side.BUY.value


def lots_brought(
    account_id: str, events: Iterable[PositionEvent], known: Collection[str] = ()
) -> dict[int, list[Lot]]:
    """Return the lots that came from the owner's other accounts, by the row that brought them.

    A row is matched where exactly one row of another account gave the same quantity of the
    contract within ten days, and that row fits no other: anything else is not guessed, and its
    basis stays unknown. ``known`` are accounts whose lots are being computed already.
    """
    rows = {row.id: row for row in events if row.kind is ExecutionKind.TRANSFER}
    if not rows or account_id in known:
        return {}
    pairs = [
        (gave, took)
        for gave, took in _pairs(account_id, {row.instrument for row in rows.values()})
        if took.id in rows
    ]
    brought: dict[int, list[Lot]] = {}
    for source in sorted({gave.account_id for gave, _ in pairs}):
        own = [(gave, took) for gave, took in pairs if gave.account_id == source]
        taken = _taken_out(source, {gave.instrument_id for gave, _ in own}, {*known, account_id})
        brought |= {took.id: taken[gave.id] for gave, took in own if gave.id in taken}
    return brought


def with_receivers(changed: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    """Add what the owners' other accounts hold of contracts that these may have given them."""
    found = set(changed)
    accounts = {account_id for account_id, _ in changed}
    # Cancelled ones, too: what they had moved is taken back.
    moved = list(
        TradeExecution.objects.filter(
            account__owner__in=_owners(accounts), kind=ExecutionKind.TRANSFER.value
        )
        .order_by()
        .values_list("account_id", "instrument_id")
    )
    givers = accounts & {account_id for account_id, _ in moved}
    if not givers:
        return found
    # A contract may have been another one before it moved.
    wanted = connected_instruments(
        [account_id for account_id, _ in moved],
        {instrument for account_id, instrument in changed if account_id in givers},
    )
    return found | {place for place in moved if place[1] in wanted}


def lock_accounts(accounts: QuerySet[Account], *, moves_lots: bool) -> dict[str, str]:
    """Lock accounts, in one order, and return their ids by number.

    Those of the same owners whose lots may change with theirs are locked too: the ones that have
    transfers, or all of them if what is recorded ``moves_lots``.
    """
    ids = list(accounts.values_list("pk", flat=True))
    moved = TradeExecution.objects.filter(account=OuterRef("pk"), kind=ExecutionKind.TRANSFER.value)
    beside = Q(owner__in=_owners(ids))
    if not moves_lots:
        beside &= Q(Exists(moved))
    locked = Account.objects.select_for_update().filter(Q(pk__in=ids) | beside).order_by("pk")
    return {number: pk for pk, number in locked.values_list("pk", "account_number") if pk in ids}


def _owners(accounts: Iterable[str]) -> QuerySet[Account, int]:
    return Account.objects.filter(pk__in=list(accounts)).order_by().values_list("owner", flat=True)


def _pairs(account_id: str, instruments: Iterable[int]) -> list[tuple[_Transfer, _Transfer]]:
    """Return what an account of the owner gave and another one took, where there is no doubt."""
    rows: list[_Transfer] = []
    for part in of_instruments(instruments):
        found = TradeExecution.objects.filter(
            part,
            account__owner__in=_owners([account_id]),
            kind=ExecutionKind.TRANSFER.value,
            superseded=False,
            cancelled_by="",
        )
        rows += [_Transfer(*row) for row in found.order_by("pk").values_list(*_Transfer._fields)]
    fits = [
        (gave, took)
        for took in rows
        if took.comes_in
        for gave in rows
        if not gave.comes_in and _fit(gave, took)
    ]
    times = Counter(row.id for pair in fits for row in pair)
    return [pair for pair in fits if all(times[row.id] == 1 for row in pair)]


def _fit(gave: _Transfer, took: _Transfer) -> bool:
    return (
        gave.account_id != took.account_id
        and (gave.instrument_id, gave.quantity) == (took.instrument_id, took.quantity)
        and abs(gave.execution_time - took.execution_time) <= _LONGEST
    )


def _taken_out(
    account_id: str, instruments: Iterable[int], known: Collection[str]
) -> dict[int, list[Lot]]:
    """Return the lots that an account gave away, by the row that took them out."""
    events: list[PositionEvent] = []
    for part in of_instruments(connected_instruments([account_id], instruments)):
        events += position_events(TradeExecution.objects.filter(part, account=account_id))
    brought = lots_brought(account_id, events, known)
    return match_lots(events, methods_of([account_id])[account_id], brought).given
