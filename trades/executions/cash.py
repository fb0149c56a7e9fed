"""Store cash movements once, with the broker's ids or as a multiset."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from config.core.caching.changes import Change
from config.core.caching.invalidation import invalidate_after_commit
from greeks.providers.decoding import storable
from portfolio.domain import Broker, CashMovement
from trades.executions.identity import movement_fingerprint
from trades.models import CashMovementRow

_BATCH = 500


def store_movements(
    rows: Sequence[CashMovement], accounts: dict[str, str], *, broker: Broker, at: datetime
) -> list[CashMovementRow]:
    """Store the movements that are new and return them. All are of known accounts."""
    marks = [movement_fingerprint(row, accounts[row.account_number]) for row in rows]
    known_ids, known_marks = _stored(broker, rows, marks)
    taken: dict[str, int] = {}
    new = []
    for row, mark in zip(rows, marks, strict=True):
        identifier = row.movement_id
        if not identifier:
            number = taken[mark] = taken.get(mark, 0) + 1
            if number <= known_marks.get(mark, 0):
                continue
            identifier = f"F:{mark[:48]}:{number}"
        if identifier in known_ids:
            continue
        known_ids.add(identifier)
        new.append(
            CashMovementRow(
                account_id=accounts[row.account_number],
                broker=broker.value,
                broker_movement_id=identifier,
                kind=row.kind.value,
                amount=row.amount,
                currency=row.currency,
                moved_at=row.moved_at,
                symbol=row.symbol[:64],
                description=row.description[:255],
                fingerprint=mark,
                source=row.source,
                raw_payload=storable(row.raw or {}),
                recorded_at=at,
            )
        )
    CashMovementRow.objects.bulk_create(new, batch_size=_BATCH)
    if new:
        invalidate_after_commit(
            Change.EXECUTION_UPDATE,
            account_ids={row.account_id for row in new},
            triggered_by="cash movements",
        )
    return new


def _stored(
    broker: Broker, rows: Sequence[CashMovement], marks: Sequence[str]
) -> tuple[set[str], dict[str, int]]:
    """Return stored ids among these, and how many rows each fingerprint has."""
    ids: set[str] = set()
    counts: dict[str, int] = {}
    own = CashMovementRow.objects.filter(broker=broker.value)
    for start in range(0, len(rows), _BATCH):
        wanted = [row.movement_id for row in rows[start : start + _BATCH] if row.movement_id]
        named = own.filter(broker_movement_id__in=wanted)
        ids |= set(named.values_list("broker_movement_id", flat=True))
    unique = sorted(set(marks))
    for start in range(0, len(unique), _BATCH):
        equal = own.filter(fingerprint__in=unique[start : start + _BATCH])
        for mark in equal.values_list("fingerprint", flat=True):
            counts[mark] = counts.get(mark, 0) + 1
    return ids, counts
