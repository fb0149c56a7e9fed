"""A trade with its numbers: what was opened, what is open, and its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from portfolio.domain import ExecutionKind
from trades.strategies.grouping import Group, group_openings
from trades.strategies.naming import Named, Strategy, name_strategy, quantity_of
from trades.strategies.opening import ZERO, LegContract, Opening, Part
from trades.strategies.overrides import Override, apply_overrides
from trades.strategies.rolls import Roll, find_rolls

_Name = TypeVar("_Name", int, str)


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
    """Return the trades and rolls that these openings form, whatever order they are given in.

    Openings of several underlyings are grouped apart, unless lots moved from one to the other.
    """
    rolls: list[Roll] = []
    automatic: list[Group] = []
    families = _families(openings)
    for family in families:
        found = find_rolls(family)
        rolls += found
        automatic += group_openings(family, found)
    automatic.sort(key=lambda group: (group.openings[0].at, group.key))
    groups = apply_overrides(automatic, overrides or {})
    chains = _chains(groups, rolls)
    return Trades(
        trades=[
            Trade(
                group=group,
                named=named,
                quantity=quantity,
                open_words=_open_words(group),
                chain=chains[group.key],
            )
            for group, (named, quantity) in zip(groups, _names(groups, families), strict=True)
        ],
        rolls=rolls,
    )


def _families(openings: Iterable[Opening]) -> list[list[Opening]]:
    """Return the openings of each underlying in time; lots that moved connect two of them."""
    ordered = sorted(openings, key=lambda opening: (opening.at, opening.key))
    first: dict[str, str] = {}
    for opening in ordered:
        names = [part.contract.underlying for part in opening.parts]
        for name in names:
            first.setdefault(name, name)
            _join(first, names[0], name)
    families: dict[str, list[Opening]] = {}
    for opening in ordered:
        families.setdefault(_root(first, opening.contract.underlying), []).append(opening)
    return list(families.values())


def _root(first: dict[_Name, _Name], name: _Name) -> _Name:
    """Return the representative of the set that holds ``name``, halving the path to it."""
    while first[name] != name:
        first[name] = first[first[name]]
        name = first[name]
    return name


def _join(first: dict[_Name, _Name], one: _Name, other: _Name) -> None:
    first[_root(first, other)] = _root(first, one)


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
    for roll in rolls:
        ends = (_root(first, trade_of[roll.parent]), _root(first, trade_of[roll.child]))
        earlier, later = sorted(ends, key=order.__getitem__)
        _join(first, earlier, later)
    return {key: _root(first, key) for key in first}


def _names(
    groups: Sequence[Group], families: Sequence[Sequence[Opening]]
) -> list[tuple[Named, Decimal]]:
    """Name every trade; shares that the account holds beside it may cover what it wrote."""
    home = {opening.key: number for number, family in enumerate(families) for opening in family}
    beside = [_Beside() for _ in families]
    for group in groups:
        if any(not opening.contract.is_option for opening in group.openings):
            beside[home[group.key]].holders.append(group)
    names = []
    for group in groups:
        at, held = _at_opening(group)
        others = beside[home[group.key]]
        units = others.free(group, at) if held else ZERO
        named = name_strategy(held, on=group.openings[0].session, other_units=units)
        if units and named.strategy in (Strategy.COVERED, Strategy.COLLAR):
            others.cover(group, held, is_call=units > 0)
        if group.is_wheel:
            named = Named(Strategy.WHEEL, "Wheel")
        names.append((named, quantity_of(held)))
    return names


@dataclass(slots=True)
class _Beside:
    """Trades that hold an underlying itself, and how much of it already covers options."""

    holders: list[Group] = field(default_factory=list)
    covered: list[tuple[Group, Decimal]] = field(default_factory=list)

    def free(self, group: Group, at: datetime) -> Decimal:
        """Return the units that are free to cover an option; none for what holds some itself."""
        if group in self.holders:
            return ZERO
        taken = (units for other, units in self.covered if not other.ends_before(at))
        return _units(self.holders, at) - sum(taken, ZERO)

    def cover(self, group: Group, held: Mapping[LegContract, Decimal], *, is_call: bool) -> None:
        written = min(held.items(), key=lambda leg: leg[1])
        units = abs(written[0].units * written[1])
        self.covered.append((group, units if is_call else -units))


def _units(holders: Iterable[Group], at: datetime) -> Decimal:
    units = ZERO
    for holder in holders:
        if holder.ends_before(at):
            continue
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
