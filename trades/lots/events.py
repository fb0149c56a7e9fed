"""The lot engine's input: one account's live executions, in any order of arrival."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from portfolio.domain import CARRIES_LOTS, MOVES_NO_POSITION, ExecutionKind

Key = TypeVar("Key")


# Not frozen: that costs as much again to make, and a rebuild makes one for every row.
@dataclass(slots=True, kw_only=True, eq=False)
class PositionEvent:
    """One execution as the engine sees it.

    ``quantity`` is signed: bought is positive. If ``is_side_known`` is false it is positive and
    closes whatever is open. ``costs`` are commission and fees. ``value`` is the broker's cash, or
    what it says carried lots are worth. ``action`` is the broker's name of the corporate action
    that carries lots.
    """

    id: int
    instrument: int
    multiplier: Decimal
    kind: ExecutionKind
    quantity: Decimal
    at: datetime
    price: Decimal | None = None
    costs: Decimal = Decimal(0)
    position_effect: str = ""
    is_side_known: bool = True
    currency: str = "USD"
    value: Decimal | None = None
    action: str = ""
    is_option: bool = True
    underlying: str = ""
    #: Terms of an option.
    right: str = ""
    expiry: date | None = None
    strike: Decimal | None = None
    #: New for old shares of a split, where the row tells it.
    ratio: Decimal | None = None
    #: What the broker says that the shares of a merger are worth.
    worth: Decimal | None = None
    #: Orders events of one instant that have the same effect: ids of the broker or of the file.
    sequence: tuple[int | str, ...] = field(default=())

    @property
    def carries_lots(self) -> bool:
        return self.kind in CARRIES_LOTS

    @property
    def moment(self) -> datetime:
        """The instant; of carried lots to the second, as the rows of one action may differ."""
        return self.at.replace(microsecond=0) if self.carries_lots else self.at

    @property
    def moves_position(self) -> bool:
        return self.kind not in MOVES_NO_POSITION


def in_order(events: list[PositionEvent]) -> list[PositionEvent]:
    """Sort by instant; within one corporate actions first, then what opens before what closes.

    Brokers write the settlement of a spread, and many fills of one order, with one time. The
    fraction of a share that a split leaves is sold at the time of the split.
    """
    return sorted(events, key=_place)


def _place(event: PositionEvent) -> tuple[object, ...]:
    carry = (event.kind.value, event.action) if event.carries_lots else ("", "")
    return event.moment, _rank(event), carry, event.sequence, event.id


def _rank(event: PositionEvent) -> int:
    if event.carries_lots:
        return -1
    if event.position_effect == "OPEN":
        return 0
    return 1 if event.position_effect == "CLOSE" or not event.is_side_known else 0


def without_settled_twins(events: list[PositionEvent]) -> list[PositionEvent]:
    """Leave out removals that only repeat a cash settlement.

    Tastytrade books a cash settlement as two rows: one with the cash, one plain assignment or
    exercise of value 0. Both may come in either order, on other pages and in other syncs. Equal
    counts of one contract, day and quantity are twins; a removal beyond them is real.
    """
    settled: dict[tuple[int, object, Decimal], int] = {}
    for event in events:
        if event.kind is ExecutionKind.CASH_SETTLEMENT:
            key = _settlement(event)
            settled[key] = settled.get(key, 0) + 1
    if not settled:
        return events
    kept = []
    for event in events:
        if event.kind in (ExecutionKind.ASSIGNMENT, ExecutionKind.EXERCISE):
            key = _settlement(event)
            if settled.get(key, 0):
                settled[key] -= 1
                continue
        kept.append(event)
    return kept


def _settlement(event: PositionEvent) -> tuple[int, object, Decimal]:
    return event.instrument, event.at.date(), abs(event.quantity)
