"""A trade with its numbers: what a group of openings was, is, and has brought."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from portfolio.domain import ExecutionKind
from trades.strategies.grouping import Group, group_openings
from trades.strategies.naming import Named, Strategy, name_strategy, quantity_of
from trades.strategies.opening import ZERO, LegContract, Opening, Part
from trades.strategies.overrides import Override, apply_overrides
from trades.strategies.rolls import Roll, find_rolls


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A group of openings and what it is called. ``chain`` is the key of the chain's first."""

    group: Group
    named: Named
    quantity: Decimal
    open_words: str
    chain: int

    @property
    def key(self) -> int:
        return self.group.key

    @property
    def parts(self) -> list[Part]:
        return [part for opening in self.group.openings for part in opening.parts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trades:
    """The trades of one account and family of underlyings, and the rolls between their lots."""

    trades: list[Trade]
    rolls: list[Roll]


def build_trades(
    openings: Iterable[Opening], overrides: Mapping[int, Override] | None = None
) -> Trades:
    """Return the trades and rolls that these openings form, whatever order they are given in."""
    ordered = sorted(openings, key=lambda opening: (opening.at, opening.key))
    rolls = find_rolls(ordered)
    groups = apply_overrides(group_openings(ordered, rolls), overrides or {})
    chains = _chains(groups, rolls)
    names = _names(groups)
    return Trades(
        trades=[
            Trade(
                group=group,
                named=named,
                quantity=quantity,
                open_words=_open_words(group),
                chain=chains[group.key],
            )
            for group, (named, quantity) in zip(groups, names, strict=True)
        ],
        rolls=rolls,
    )


def total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Add amounts up; ``None`` if there are none or one is missing."""
    added: Decimal | None = None
    for amount in amounts:
        if amount is None:
            return None
        added = amount if added is None else added + amount
    return added


def _chains(groups: Sequence[Group], rolls: Sequence[Roll]) -> dict[int, int]:
    """Return the key of the first trade of those that rolled into each other, for each trade."""
    trade_of = {opening.key: group.key for group in groups for opening in group.openings}
    order = {group.key: position for position, group in enumerate(groups)}
    first = {group.key: group.key for group in groups}

    def root(key: int) -> int:
        while first[key] != key:
            key = first[key]
        return key

    for roll in rolls:
        one, other = root(trade_of[roll.parent]), root(trade_of[roll.child])
        earlier, later = sorted((one, other), key=order.__getitem__)
        first[later] = earlier
    return {key: root(key) for key in first}


def _names(groups: Sequence[Group]) -> list[tuple[Named, Decimal]]:
    """Name every trade; shares that the account holds beside it may cover what it wrote."""
    holders = [g for g in groups if any(not o.contract.is_option for o in g.openings)]
    covered: list[tuple[Group, Decimal]] = []
    names = []
    for group in groups:
        at, held = _at_opening(group)
        beside = ZERO
        if held and group not in holders:
            beside = _units(holders, at)
            for other, units in covered:
                if not other.ends_before(at):
                    beside -= units
        named = name_strategy(held, on=group.openings[0].session, other_units=beside)
        if beside and named.strategy in (Strategy.COVERED, Strategy.COLLAR):
            written = min(held.items(), key=lambda leg: leg[1])
            units = abs(written[0].units * written[1])
            covered.append((group, units if beside > 0 else -units))
        if group.is_wheel:
            named = Named(Strategy.WHEEL, "Wheel")
        names.append((named, quantity_of(held)))
    return names


def _units(holders: Iterable[Group], at: datetime) -> Decimal:
    units = ZERO
    for holder in holders:
        held = holder.held(at)
        outright = sum((c.units * q for c, q in held.items() if not c.is_option), ZERO)
        # Shares that carry options in their own trade cover nothing beside it.
        if len(held) == 1:
            units += outright
    return units


def _at_opening(group: Group) -> tuple[datetime, dict[LegContract, Decimal]]:
    """Return the instant of the last opening and what was held right after it.

    Shares that came by an assignment do not count: they came from what was opened. Where all was
    closed at that very instant, or the openings are not known, all that was opened counts.
    """
    traded = [o for o in group.openings if o.kind is not ExecutionKind.DELIVERY] or group.openings
    at = max(opening.at for opening in traded)
    held = group.held(at)
    if not group.is_wheel and len(traded) < len(group.openings):
        held = {contract: quantity for contract, quantity in held.items() if contract.is_option}
    if held:
        return at, held
    opened: dict[LegContract, Decimal] = {}
    for opening in traded:
        for part in opening.parts:
            opened[part.contract] = opened.get(part.contract, ZERO) + part.quantity
    return at, {contract: quantity for contract, quantity in opened.items() if quantity} or {
        traded[0].contract: traded[0].parts[0].quantity
    }


def _open_words(group: Group) -> str:
    held: dict[LegContract, Decimal] = {}
    for opening in group.openings:
        for part in opening.parts:
            if part.closing is None:
                held[part.contract] = held.get(part.contract, ZERO) + part.quantity
    held = {contract: quantity for contract, quantity in held.items() if quantity}
    if not held:
        return ""
    return name_strategy(held, on=group.openings[-1].session).words
