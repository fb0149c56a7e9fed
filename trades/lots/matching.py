"""Match closing fills with lots: first in first out, and the other methods.

Quantities, prices and money are exact Decimals. Costs of a fill are shared out by quantity; the
last part takes the remainder, so the parts always add up to the fill's costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from trades.lots.carrying import carry_lots
from trades.lots.events import PositionEvent, in_order, without_settled_twins
from trades.lots.lot import ClosedLot, Lot

ZERO = Decimal(0)


class LotMethod(StrEnum):
    """Which lot a closing fill takes."""

    FIFO = "fifo"
    LIFO = "lifo"
    #: The lot with the least gain first: highest price of a long one, lowest of a short one.
    HIFO = "hifo"
    AVERAGE = "average"


@dataclass(slots=True, kw_only=True)
class Lots:
    """Open and closed lots of one account, in the order they came about."""

    open: list[Lot] = field(default_factory=list)
    closed: list[ClosedLot] = field(default_factory=list)
    #: Carried rows whose lots are not known: an older import mends them.
    not_carried: list[PositionEvent] = field(default_factory=list)
    #: Lots that went to another account, by the row that took them out.
    given: dict[int, list[Lot]] = field(default_factory=dict)

    def quantity(self, instrument: int) -> Decimal:
        """Return the signed open quantity of an instrument."""
        return sum((lot.quantity for lot in self.open if lot.instrument == instrument), ZERO)


def match_lots(
    events: Iterable[PositionEvent],
    method: LotMethod = LotMethod.FIFO,
    brought: Mapping[int, list[Lot]] = MappingProxyType({}),
) -> Lots:
    """Return the lots of one account's events, whatever order they are given in.

    ``brought`` are the lots that other accounts gave, by the row of this one that took them.

    A closing fill without a lot becomes a closed lot of unknown basis (P&L ``None``). A fill
    without a known effect closes what is open and opens the rest, through zero. An expiration,
    assignment or exercise never opens.
    """
    lots = Lots()
    books: dict[int, list[Lot]] = {}
    ordered = without_settled_twins(in_order([e for e in events if e.moves_position]))
    position = 0
    while position < len(ordered):
        event = ordered[position]
        if event.carries_lots:
            together = _same_carry(ordered, position)
            carried = carry_lots(together, books, brought)
            lots.not_carried += carried.unknown
            lots.given |= carried.given
            position += len(together)
            continue
        _apply(event, books.setdefault(event.instrument, []), lots, method)
        position += 1
    lots.open = [lot for book in books.values() for lot in book]
    lots.open.sort(key=lambda lot: (lot.opened_at, lot.opened_by))
    return lots


def _same_carry(ordered: list[PositionEvent], position: int) -> list[PositionEvent]:
    """Return the rows of one corporate action: by its name, else of one kind and second."""
    name = _action(ordered[position])
    end = position
    while end < len(ordered) and _action(ordered[end]) == name:
        end += 1
    return ordered[position:end]


def _action(event: PositionEvent) -> tuple[object, ...]:
    return event.carries_lots, event.kind, event.moment, event.action


def _apply(event: PositionEvent, book: list[Lot], lots: Lots, method: LotMethod) -> None:
    quantity = event.quantity
    if not event.is_side_known:
        held = sum((lot.quantity for lot in book), ZERO)
        # Without a lot the side stays unknown: a short option is what expires most often, but a
        # guess would be a number.
        quantity = -event.quantity if held > 0 else event.quantity
    costs = _Costs(event.costs, abs(quantity))
    left = _close(event, quantity, book, lots, method, costs)
    if not left:
        return
    if event.position_effect == "CLOSE" or not event.is_side_known or _never_opens(event):
        lots.closed.append(
            ClosedLot(
                instrument=event.instrument,
                multiplier=event.multiplier,
                currency=event.currency,
                quantity=-left,
                opened_by=None,
                opened_at=None,
                open_price=None,
                open_costs=None,
                closed_by=event.id,
                closed_at=event.at,
                closed_kind=event.kind,
                close_price=_close_price(event),
                close_costs=costs.of(abs(left)),
            )
        )
        return
    opened = Lot(
        instrument=event.instrument,
        multiplier=event.multiplier,
        currency=event.currency,
        opened_by=event.id,
        opened_at=event.at,
        quantity=left,
        price=event.price,
        costs=costs.of(abs(left)),
    )
    if method is LotMethod.AVERAGE:
        _average(book, opened)
    book.append(opened)


def _close(
    event: PositionEvent,
    quantity: Decimal,
    book: list[Lot],
    lots: Lots,
    method: LotMethod,
    costs: _Costs,
) -> Decimal:
    """Close lots of the other sign; return the signed quantity that found none."""
    left = quantity
    if event.position_effect == "OPEN":
        return left
    while left:
        position = _next_lot(book, method, is_long=left < 0)
        if position is None:
            return left
        lot = book[position]
        part = min(abs(left), abs(lot.quantity))
        signed = part if lot.quantity > 0 else -part
        closing = lot.part(signed)
        lots.closed.append(
            ClosedLot(
                instrument=lot.instrument,
                multiplier=lot.multiplier,
                currency=lot.currency,
                quantity=signed,
                opened_by=lot.opened_by,
                opened_at=lot.opened_at,
                open_price=lot.price,
                open_costs=closing.costs,
                closed_by=event.id,
                closed_at=event.at,
                closed_kind=event.kind,
                close_price=_close_price(event),
                close_costs=costs.of(part),
            )
        )
        if lot.quantity == signed:
            del book[position]
        else:
            book[position] = replace(
                lot, quantity=lot.quantity - signed, costs=lot.costs - closing.costs
            )
        left += signed
    return left


def _next_lot(book: list[Lot], method: LotMethod, *, is_long: bool) -> int | None:
    """Return the place of the lot to close; ``None`` if there is none of this sign."""
    order = reversed(range(len(book))) if method is LotMethod.LIFO else range(len(book))
    places = (n for n in order if (book[n].quantity > 0) == is_long)
    if method is LotMethod.HIFO:
        found = list(places)
        known = [n for n in found if book[n].price is not None]
        return max(known, key=lambda n: _least_gain(book[n])) if known else next(iter(found), None)
    return next(places, None)


def _least_gain(lot: Lot) -> Decimal:
    price = lot.price or ZERO
    return price if lot.quantity > 0 else -price


def _average(book: list[Lot], opened: Lot) -> None:
    """Give every lot of the position the average price; dates, quantities and costs stay."""
    positions = [n for n, lot in enumerate(book) if (lot.quantity > 0) == (opened.quantity > 0)]
    priced = [(opened.price, opened.quantity)]
    priced += [(book[n].price, book[n].quantity) for n in positions]
    amount = ZERO
    for price, quantity in priced:
        if price is None:
            return
        amount += price * quantity
    average = amount / sum((quantity for _, quantity in priced), ZERO)
    for n in positions:
        book[n] = replace(book[n], price=average)
    opened.price = average


def _never_opens(event: PositionEvent) -> bool:
    return event.kind.value in ("expiration", "assignment", "exercise", "cash_settlement")


def _close_price(event: PositionEvent) -> Decimal | None:
    # An expired, assigned or exercised option is worth nothing by itself: the shares carry the
    # rest. A future is not.
    if event.price is None and event.is_option and _never_opens(event):
        return ZERO
    return event.price


@dataclass(slots=True)
class _Costs:
    """A fill's costs, shared out by quantity."""

    left: Decimal
    quantity: Decimal

    def of(self, part: Decimal) -> Decimal:
        share = self.left if part >= self.quantity else self.left * part / self.quantity
        self.left -= share
        self.quantity -= part
        return share
