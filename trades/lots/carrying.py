"""Carry lots through splits, renamed contracts, mergers and transfers.

Basis (price × quantity × multiplier), costs and dates move with the lots; nothing is realised.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from portfolio.domain import ExecutionKind
from trades.lots.events import PositionEvent
from trades.lots.lot import Lot

ZERO = Decimal(0)


@dataclass(slots=True)
class CarriedOut:
    """Rows whose lots are not known."""

    unknown: list[PositionEvent] = field(default_factory=list)


def carry_lots(events: list[PositionEvent], books: dict[int, list[Lot]]) -> CarriedOut:
    """Move lots as one corporate action says: what it removes becomes what it adds.

    The rows of one instant pair by sign: a row that removes a long one with the one that adds a
    long one, in order; each pair keeps its lots' basis. A removal without a partner takes the lots
    out (they went to another account); an addition without one brings lots of unknown basis,
    unless the row has a price.
    """
    carried = CarriedOut()
    removals: list[PositionEvent] = []
    additions: list[PositionEvent] = []
    for event in events:
        held = sum((lot.quantity for lot in books.get(event.instrument, ())), ZERO)
        closes = event.position_effect == "CLOSE" or (
            not event.position_effect and held * event.quantity < 0
        )
        (removals if closes else additions).append(event)
    for removal in removals:
        taken = _take(removal, books, carried)
        partner = _partner(removal, additions)
        if partner is None:
            continue
        additions.remove(partner)
        _put(taken, removal, partner, books)
    for addition in additions:
        if _scale(addition, books.get(addition.instrument, [])):
            continue
        if addition.price is None:
            carried.unknown.append(addition)
        books.setdefault(addition.instrument, []).append(
            Lot(
                instrument=addition.instrument,
                multiplier=addition.multiplier,
                currency=addition.currency,
                opened_by=addition.id,
                opened_at=addition.at,
                quantity=addition.quantity,
                price=addition.price,
                costs=addition.costs,
            )
        )
    return carried


def _scale(addition: PositionEvent, book: list[Lot]) -> bool:
    """Spread a split that is told as its difference (300 more shares for 100) over the lots."""
    held = sum((lot.quantity for lot in book), ZERO)
    if addition.kind is not ExecutionKind.SPLIT or held * addition.quantity <= 0:
        return False
    ratio = (held + addition.quantity) / held
    left = held + addition.quantity
    for position, lot in enumerate(book):
        quantity = left if position == len(book) - 1 else lot.quantity * ratio
        left -= quantity
        price = None if lot.price is None else lot.price / ratio
        book[position] = replace(lot, quantity=quantity, price=price)
    return True


def _take(removal: PositionEvent, books: dict[int, list[Lot]], carried: CarriedOut) -> list[Lot]:
    """Take lots off the front of the book; a part that is not there has an unknown basis."""
    book = books.setdefault(removal.instrument, [])
    left = -removal.quantity
    taken: list[Lot] = []
    while left and book and (book[0].quantity > 0) == (left > 0):
        lot = book[0]
        part = min(abs(left), abs(lot.quantity))
        signed = part if left > 0 else -part
        moved = lot.part(signed)
        taken.append(moved)
        if lot.quantity == signed:
            book.pop(0)
        else:
            book[0] = replace(lot, quantity=lot.quantity - signed, costs=lot.costs - moved.costs)
        left -= signed
    if left:
        carried.unknown.append(removal)
        taken.append(
            Lot(
                instrument=removal.instrument,
                multiplier=removal.multiplier,
                currency=removal.currency,
                opened_by=removal.id,
                opened_at=removal.at,
                quantity=left,
                price=None,
                costs=ZERO,
            )
        )
    return taken


def _partner(removal: PositionEvent, additions: list[PositionEvent]) -> PositionEvent | None:
    same_sign = [event for event in additions if event.quantity * removal.quantity < 0]
    same = [event for event in same_sign if event.instrument == removal.instrument]
    return next(iter(same or same_sign), None)


def _put(
    taken: list[Lot], removal: PositionEvent, addition: PositionEvent, books: dict[int, list[Lot]]
) -> None:
    ratio = addition.quantity / -removal.quantity
    scale = removal.multiplier / (ratio * addition.multiplier)
    left = addition.quantity
    book = books.setdefault(addition.instrument, [])
    for number, lot in enumerate(taken, start=1):
        quantity = left if number == len(taken) else lot.quantity * ratio
        left -= quantity
        book.append(
            replace(
                lot,
                instrument=addition.instrument,
                multiplier=addition.multiplier,
                quantity=quantity,
                price=None if lot.price is None else lot.price * scale,
            )
        )
    book.sort(key=lambda lot: (lot.opened_at, lot.opened_by))
