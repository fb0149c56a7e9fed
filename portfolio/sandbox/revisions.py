"""Fills that the exchange corrected or cancelled: a few of many, the same in every process.

A fill is reported with a wrong price first and replaced ten minutes later, or it is printed twice
and the second print is cancelled five minutes later.
"""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from portfolio.domain import ExecutionKind
from portfolio.sandbox.fills import SimulatedExecution

CORRECTED_AFTER: Final = timedelta(minutes=10)
CANCELLED_AFTER: Final = timedelta(minutes=5)
_ONE_IN: Final = 29


class Revision(NamedTuple):
    """One report of a fill."""

    execution_id: str
    price: float


def is_corrected(fill: SimulatedExecution) -> bool:
    return _draw(fill) == 1


def is_printed_twice(fill: SimulatedExecution) -> bool:
    return _draw(fill) == 2


def revisions(fill: SimulatedExecution, at: datetime) -> list[Revision]:
    """Return what IBKR has reported of a fill by then, oldest first. Ids end in their revision."""
    if not is_corrected(fill):
        return [Revision(fill.execution_id, fill.price)]
    stem = fill.execution_id.rpartition(".")[0]
    found = [Revision(fill.execution_id, round(fill.price + 0.01, 2))]
    if at >= fill.executed_at + CORRECTED_AFTER:
        found.append(Revision(f"{stem}.02", fill.price))
    return found


def number_of(execution_id: str) -> int:
    """Return the number under which a statement knows a fill."""
    return 1_000_000_000 + zlib.crc32(execution_id.encode())


def _draw(fill: SimulatedExecution) -> int:
    if fill.kind is not ExecutionKind.TRADE:
        return 0
    return zlib.crc32(f"revised {fill.execution_id}".encode()) % _ONE_IN
