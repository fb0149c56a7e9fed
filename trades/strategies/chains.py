"""Chains of rolls, lot by lot: every unit of a lot belongs to one chain, so Σ chains = Σ lots.

An opening is cut into slots: one for each roll that led to it, and one for what is new business.
Closes take the slots in their order. A roll joins the slot it came from with the one it went to;
branches and merges add up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from trades.strategies.opening import ZERO, Opening, Part
from trades.strategies.rolls import Roll


@dataclass(slots=True, kw_only=True)
class Link:
    """A quantity of one opening in a chain. ``net`` is realised, ``None`` if a part is unknown."""

    opening: Opening
    quantity: Decimal
    open_quantity: Decimal = ZERO
    net: Decimal | None = ZERO
    #: The first opening of the chain.
    chain: int = 0


def link_lots(openings: Iterable[Opening], rolls: Sequence[Roll]) -> list[Link]:
    """Return the links of these openings, in time, each with its chain."""
    ordered = sorted(openings, key=lambda opening: (opening.at, opening.key))
    coming: dict[int, list[Roll]] = defaultdict(list)
    going: dict[tuple[int, int | None], list[Roll]] = defaultdict(list)
    for roll in rolls:
        coming[roll.child].append(roll)
        going[roll.parent, roll.closing.execution].append(roll)
    links: list[Link] = []
    child_of: dict[int, Link] = {}
    joins: list[tuple[Link, int]] = []
    for opening in ordered:
        own = _slots(opening, coming[opening.key], child_of)
        links += own
        for part, taken in _closes(opening, own):
            if part.closing is None:
                continue
            rolled = going[opening.key, part.closing.execution]
            joins += _joined(taken, rolled)
    first = {id(link): link for link in links}

    def root(link: Link) -> Link:
        while first[id(link)] is not link:
            link = first[id(link)]
        return link

    order = {id(link): position for position, link in enumerate(links)}
    for link, roll_id in joins:
        if roll_id in child_of:
            earlier, later = sorted(
                (root(link), root(child_of[roll_id])), key=lambda each: order[id(each)]
            )
            first[id(later)] = earlier
    for link in links:
        link.chain = root(link).opening.key
    return links


def _slots(opening: Opening, rolls: list[Roll], child_of: dict[int, Link]) -> list[Link]:
    sign = 1 if opening.quantity > 0 else -1
    left = abs(opening.quantity)
    slots = []
    for roll in rolls:
        part = min(left, roll.quantity)
        if part:
            link = Link(opening=opening, quantity=part * sign)
            child_of[id(roll)] = link
            slots.append(link)
            left -= part
    if left:
        slots.append(Link(opening=opening, quantity=left * sign))
    return slots


def _closes(
    opening: Opening, slots: list[Link]
) -> Iterable[tuple[Part, list[tuple[Link, Decimal]]]]:
    """Share the opening's lots out over its slots; yield what each took of which."""
    free = {id(link): abs(link.quantity) for link in slots}
    parts = sorted(
        opening.parts,
        key=lambda part: (part.closing is None, part.closing.at if part.closing else opening.at),
    )
    for part in parts:
        left, net_left = abs(part.quantity), part.net
        taken: list[tuple[Link, Decimal]] = []
        for link in slots:
            quantity = min(left, free[id(link)])
            if not quantity:
                continue
            free[id(link)] -= quantity
            share = None
            if part.net is not None and net_left is not None:
                share = net_left if quantity == left else part.net * quantity / abs(part.quantity)
                net_left -= share
            left -= quantity
            taken.append((link, quantity))
            if part.closing is None:
                link.open_quantity += quantity if part.quantity > 0 else -quantity
            elif part.is_final:
                link.net = None if link.net is None or share is None else link.net + share
        yield part, taken


def _joined(taken: list[tuple[Link, Decimal]], rolls: list[Roll]) -> list[tuple[Link, int]]:
    """Say which slots a closing's rolls came from. A roll's quantity counts over its closing."""
    joins = []
    left = {id(roll): roll.quantity for roll in rolls}
    for link, quantity in taken:
        for roll in rolls:
            part = min(quantity, left[id(roll)])
            if part:
                joins.append((link, id(roll)))
                left[id(roll)] -= part
                quantity -= part
    return joins
