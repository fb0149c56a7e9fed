"""Carry lots through splits, renamed contracts, mergers and transfers.

Basis (price × quantity × multiplier), costs and dates move with the lots; nothing is realised. Cash
that comes with the shares of a merger lessens their basis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product
from types import MappingProxyType
from typing import Final

from portfolio.domain import ExecutionKind
from trades.lots.events import PositionEvent
from trades.lots.lot import Lot

ZERO = Decimal(0)
#: Brokers round fractions of shares.
_ROUNDING: Final = Decimal("0.001")


@dataclass(slots=True)
class CarriedOut:
    """Rows whose lots are not known, and the lots that went to another account, by their row."""

    unknown: list[PositionEvent] = field(default_factory=list)
    given: dict[int, list[Lot]] = field(default_factory=dict)


def carry_lots(
    events: list[PositionEvent],
    books: dict[int, list[Lot]],
    brought: Mapping[int, list[Lot]] = MappingProxyType({}),
) -> CarriedOut:
    """Move lots as one corporate action says: what it removes becomes what it adds.

    A row that removes a long one pairs with the most alike that adds a long one; each pair keeps
    its lots' basis. A removal without a partner takes the lots out (they went to another account);
    an addition without one brings the lots that another account gave (``brought``, by row), else
    lots of unknown basis, unless the row has a price.
    """
    carried = CarriedOut()
    removals, additions = _sides(_summed(events), books)
    given: set[int] = set()
    for removal, partner in _pairs(removals, additions):
        taken = _take(removal, books, carried)
        if partner is None:
            carried.given[removal.id] = taken
            continue
        together = [partner]
        if sum(not row.is_option for row in removals) == 1 and not removal.is_option:
            together += [row for row in additions if _comes_beside(row, partner)]
        cash = sum((row.value or ZERO for row in (removal, *together)), ZERO)
        for addition, share in zip(together, _shares(together), strict=True):
            given.add(addition.id)
            _put(taken, removal, addition, books, cash=cash, share=share)
    for addition in additions:
        if addition.id in given:
            continue
        left = _scale(addition, books.get(addition.instrument, []))
        if not left:
            continue
        book = books.setdefault(addition.instrument, [])
        arrived = _arrived(addition, left, brought)
        if arrived:
            book += arrived
            book.sort(key=lambda lot: (lot.opened_at, lot.opened_by))
            continue
        if addition.price is None:
            carried.unknown.append(addition)
        book.append(_new_lot(addition, left, addition.price, addition.costs))
    return carried


def _arrived(
    addition: PositionEvent, quantity: Decimal, brought: Mapping[int, list[Lot]]
) -> list[Lot]:
    """Return the lots of another account as this one's: their basis, costs and dates stay."""
    lots = brought.get(addition.id, [])
    if sum((lot.quantity for lot in lots), ZERO) != quantity:
        return []
    if addition.price is not None and any(lot.price is None for lot in lots):
        return []
    return [replace(lot, opened_by=addition.id) for lot in lots]


def _summed(events: list[PositionEvent]) -> list[PositionEvent]:
    """Return one row for each contract and sign: some brokers send every lot."""
    found: dict[tuple[int, bool, str], PositionEvent] = {}
    for event in events:
        key = (event.instrument, event.quantity > 0, event.position_effect)
        known = found.get(key)
        if known is not None:
            values = [value for value in (known.value, event.value) if value is not None]
            event = replace(
                known,
                quantity=known.quantity + event.quantity,
                costs=known.costs + event.costs,
                value=sum(values, ZERO) if values else None,
            )
        found[key] = event
    return list(found.values())


def _sides(
    events: list[PositionEvent], books: dict[int, list[Lot]]
) -> tuple[list[PositionEvent], list[PositionEvent]]:
    """Return what is removed, with the sign that lessens what is held, and what is added.

    Where nothing is held of either (its history is not known), what is given away was long.
    """
    removals: list[PositionEvent] = []
    additions: list[PositionEvent] = []
    for event in events:
        held = sum((lot.quantity for lot in books.get(event.instrument, ())), ZERO)
        if event.position_effect == "CLOSE" and held * event.quantity > 0:
            event = replace(event, quantity=-event.quantity)
        closes = event.position_effect == "CLOSE" or (
            not event.position_effect and held * event.quantity < 0
        )
        (removals if closes else additions).append(event)
    taken = [event for event in additions if event.quantity < 0 and not event.position_effect]
    if not removals and 0 < len(taken) < len(additions):
        return taken, [event for event in additions if event not in taken]
    return removals, additions


def _pairs(
    removals: list[PositionEvent], additions: list[PositionEvent]
) -> list[tuple[PositionEvent, PositionEvent | None]]:
    # What is equally alike pairs in the order of strikes, which an adjustment keeps.
    by_strike = (sorted(rows, key=lambda row: row.strike or ZERO) for rows in (removals, additions))
    possible = [pair for pair in product(*by_strike) if _may_pair(*pair)]
    possible.sort(key=lambda pair: _likeness(*pair), reverse=True)
    partners: dict[int, PositionEvent] = {}
    given: set[int] = set()
    for removal, addition in possible:
        if removal.id not in partners and addition.id not in given:
            partners[removal.id] = (
                addition if addition.is_side_known else _opposite(removal, addition)
            )
            given.add(addition.id)
    return [(removal, partners.get(removal.id)) for removal in removals]


def _may_pair(removal: PositionEvent, addition: PositionEvent) -> bool:
    if removal.kind is ExecutionKind.TRANSFER and removal.instrument != addition.instrument:
        return False
    opposite = addition.quantity * removal.quantity < 0 or not addition.is_side_known
    return opposite and (addition.is_option, addition.right) == (removal.is_option, removal.right)


def _comes_beside(addition: PositionEvent, partner: PositionEvent) -> bool:
    """Whether shares of a merger are given together with those of the partner."""
    alike = addition.quantity * partner.quantity > 0 and not addition.is_option | partner.is_option
    return alike and addition.kind is ExecutionKind.MERGER and addition.id != partner.id


def _shares(together: list[PositionEvent]) -> list[Decimal | None]:
    """Return the part of the basis that each takes: as it is worth; unknown if that is not told.

    What is worth nothing (rights to later payments) takes nothing, and its basis is unknown.
    """
    if len(together) == 1:
        return [Decimal(1)]
    worths = [row.worth for row in together]
    total = sum((worth or ZERO for worth in worths), ZERO)
    return [worth / total if worth and None not in worths else None for worth in worths]


def _opposite(removal: PositionEvent, addition: PositionEvent) -> PositionEvent:
    quantity = abs(addition.quantity)
    return replace(addition, quantity=quantity if removal.quantity < 0 else -quantity)


def _likeness(removal: PositionEvent, addition: PositionEvent) -> tuple[bool, ...]:
    return (
        removal.instrument == addition.instrument,
        # Tastytrade says of both what the lots are worth.
        bool(removal.value) and removal.value == -(addition.value or ZERO),
        removal.expiry == addition.expiry,
        _paid_at_strike(removal) == _paid_at_strike(addition),
        removal.underlying == addition.underlying,
        removal.quantity == -addition.quantity,
    )


def _paid_at_strike(event: PositionEvent) -> Decimal | None:
    """Return what exercising all of it would pay for 100 shares each; a split leaves it."""
    return None if event.strike is None else abs(event.quantity) * event.strike


def _scale(addition: PositionEvent, book: list[Lot]) -> Decimal:
    """Spread a split booked as a difference (300 more shares for 100) over the lots.

    Returns what it adds beyond these lots: all of it if it is no such split, or the part of lots
    that are not known, where the row tells the ratio.
    """
    held = sum((lot.quantity for lot in book), ZERO)
    if addition.kind is not ExecutionKind.SPLIT or held * addition.quantity <= 0:
        return addition.quantity
    ratio = (held + addition.quantity) / held
    left = held + addition.quantity
    if addition.ratio is not None and abs(held * (ratio - addition.ratio)) > _ROUNDING:
        ratio = addition.ratio
        left = held * ratio
    unknown = held + addition.quantity - left
    for position, lot in enumerate(book):
        quantity = left if position == len(book) - 1 else lot.quantity * ratio
        left -= quantity
        price = None if lot.price is None else lot.price / ratio
        book[position] = replace(lot, quantity=quantity, price=price)
    return unknown


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
        taken.append(_new_lot(removal, left, None, ZERO))
    return taken


def _new_lot(event: PositionEvent, quantity: Decimal, price: Decimal | None, costs: Decimal) -> Lot:
    return Lot(
        instrument=event.instrument,
        multiplier=event.multiplier,
        currency=event.currency,
        opened_by=event.id,
        opened_at=event.at,
        quantity=quantity,
        price=price,
        costs=costs,
    )


def _put(
    taken: list[Lot],
    removal: PositionEvent,
    addition: PositionEvent,
    books: dict[int, list[Lot]],
    *,
    cash: Decimal,
    share: Decimal | None,
) -> None:
    """Add the lots taken as the addition's, with its share of their basis."""
    ratio = addition.quantity / -removal.quantity
    scale = removal.multiplier / (ratio * addition.multiplier)
    paid = cash / (addition.quantity * addition.multiplier)
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
                price=None
                if lot.price is None or share is None
                else (lot.price * scale - paid) * share,
                costs=lot.costs * (share or ZERO),
            )
        )
    book.sort(key=lambda lot: (lot.opened_at, lot.opened_by))
