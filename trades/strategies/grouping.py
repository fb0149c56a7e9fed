"""Put opening fills together into trades: by order, or by the position that orders form.

Everything follows from the lots, never from the order in which fills were recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from greeks.domain import Right
from portfolio.domain import ExecutionKind
from trades.strategies.deliveries import Shares, link_deliveries, moved_by
from trades.strategies.naming import Strategy, name_strategy
from trades.strategies.opening import ZERO, LegContract, Opening, held_at
from trades.strategies.rolls import Roll

#: What several orders of one session may form together.
_FORMED = frozenset(
    {
        Strategy.COVERED, Strategy.COLLAR, Strategy.PROTECTIVE, Strategy.VERTICAL,
        Strategy.IRON_CONDOR, Strategy.CONDOR, Strategy.BUTTERFLY, Strategy.STRADDLE,
        Strategy.STRANGLE, Strategy.CALENDAR, Strategy.DIAGONAL, Strategy.DOUBLE_DIAGONAL,
        Strategy.JADE_LIZARD, Strategy.BOX, Strategy.PMCC,
    }
)  # fmt: skip

_DELIVERING = (ExecutionKind.ASSIGNMENT, ExecutionKind.EXERCISE)


@dataclass(slots=True, eq=False)
class Group:
    """The openings of one trade, in time."""

    openings: list[Opening] = field(default_factory=list)
    #: Shares came by an assignment.
    has_delivery: bool = False
    is_wheel: bool = False
    is_open: bool = False
    #: The last close so far; the trade ends there unless it is open.
    last_close: datetime | None = None
    #: When it last became active, counted over the trades: the newest is looked at first.
    place: int = 0

    def add(self, openings: Iterable[Opening]) -> None:
        """Take openings in, in the order of their time."""
        for opening in openings:
            self.openings.append(opening)
            self.has_delivery |= opening.kind is ExecutionKind.DELIVERY
            for part in opening.parts:
                if part.closing is None:
                    self.is_open = True
                elif self.last_close is None or part.closing.at > self.last_close:
                    self.last_close = part.closing.at

    @property
    def key(self) -> int:
        return self.openings[0].key

    @property
    def began_on(self) -> date:
        return self.openings[0].session

    def held(self, at: datetime) -> dict[LegContract, Decimal]:
        return held_at(self.openings, at)

    def ends_before(self, at: datetime) -> bool:
        """Whether nothing is open after ``at``."""
        return not self.is_open and (self.last_close is None or self.last_close <= at)


def group_openings(openings: Iterable[Opening], rolls: Sequence[Roll]) -> list[Group]:
    """Return the trades of one account and underlying, first one first.

    1. Fills of one order are one trade.
    2. What rolls a part of a trade joins it; what rolls all of it is a new trade of its chain.
    3. Shares that an assignment delivers stay in the option's trade.
    4. More of exactly what a trade holds joins it.
    5. Orders of one session that together form a strategy are one trade.
    6. A call written on assigned shares, or on a long-dated call, joins what it is written on.
    """
    return _Grouping(rolls).run(openings)


class _Grouping:
    """One run. What may take an opening in is found by contract, session or kind, so that the work
    grows with the number of openings."""

    def __init__(self, rolls: Sequence[Roll]) -> None:
        self.groups: list[Group] = []
        self.places = 0
        self.holding: dict[LegContract, set[Group]] = defaultdict(set)
        self.begun: dict[date, set[Group]] = defaultdict(set)
        #: Trades with assigned shares or long calls.
        self.carrying: set[Group] = set()
        self.by_key: dict[int, Group] = {}
        self.parents: dict[int, list[Roll]] = defaultdict(list)
        self.sources: dict[int, dict[int, Decimal]] = {}
        for roll in rolls:
            self.parents[roll.child].append(roll)

    def run(self, openings: Iterable[Opening]) -> list[Group]:
        ordered = sorted(openings, key=lambda each: (each.at, each.key))
        self.sources = _sources(ordered)
        units: dict[tuple[bool, str, str, int], list[Opening]] = defaultdict(list)
        for opening in ordered:
            currency = opening.contract.currency
            # Shares booked in one second may come from options of several trades.
            source = min(self.sources.get(opening.key, ()), default=0)
            units[opening.is_known, opening.order, currency, source].append(opening)
        for unit in units.values():
            self._take(unit)
        return self.groups

    def _take(self, unit: list[Opening]) -> None:
        group = self._home(unit) if unit[0].is_known else None
        if group is None:
            group = Group()
            self.groups.append(group)
        if not group.openings or group.ends_before(unit[0].at):
            self.places += 1
            group.place = self.places
        group.add(unit)
        self.begun[group.began_on].add(group)
        for opening in unit:
            self.by_key[opening.key] = group
            for part in opening.parts:
                self.holding[part.contract].add(group)
                if part.contract.right is Right.CALL and part.quantity > 0:
                    self.carrying.add(group)
        if group.has_delivery:
            self.carrying.add(group)

    def _home(self, unit: list[Opening]) -> Group | None:
        if unit[0].kind is ExecutionKind.DELIVERY:
            return self._assigned(unit[0])
        rolled = [roll for opening in unit for roll in self.parents.get(opening.key, ())]
        if rolled:
            return self._rolled(unit, rolled)
        return self._added(unit) or self._formed(unit) or self._written_on(unit)

    def _rolled(self, unit: list[Opening], rolls: list[Roll]) -> Group | None:
        """Return the trade of which only a part was rolled: its other legs are still open."""
        at = max(unit[-1].at, *(roll.closing.at for roll in rolls))
        weights: dict[int, Decimal] = defaultdict(Decimal)
        found: dict[int, Group] = {}
        for roll in rolls:
            group = self.by_key.get(roll.parent)
            if group is not None and not group.ends_before(at):
                weights[group.key] += roll.quantity
                found[group.key] = group
        staying = {key: group for key, group in found.items() if self._keeps_legs(group, rolls, at)}
        if not staying:
            return None
        return staying[max(staying, key=lambda key: (weights[key], -key))]

    def _keeps_legs(self, group: Group, rolls: list[Roll], at: datetime) -> bool:
        """Whether contracts beside the rolled ones stay: a part of one leg is no other leg."""
        parents = {roll.parent for roll in rolls}
        rolled = {o.contract for o in group.openings if o.key in parents}
        return bool(group.held(at).keys() - rolled)

    def _assigned(self, delivery: Opening) -> Group | None:
        """Return the trade of the option that moved most of these shares."""
        sources = self.sources.get(delivery.key, {})
        known = [key for key in sources if key in self.by_key]
        if not known:
            return None
        return self.by_key[max(known, key=lambda key: (abs(sources[key]), -key))]

    def _added(self, unit: list[Opening]) -> Group | None:
        """Return the trade that holds exactly these contracts, with these signs."""
        added = _signs(_quantities(unit))
        holding = min((self.holding[contract] for contract, _ in added), key=len)
        return self._last(unit, holding, lambda _, held: _signs(held) == added)

    def _formed(self, unit: list[Opening]) -> Group | None:
        """Return the trade of the session with which this order forms a strategy."""
        added = _quantities(unit)

        def forms(group: Group, held: dict[LegContract, Decimal]) -> bool:
            if held.keys() & added.keys():
                return False
            if held != _quantities(group.openings):
                return False
            return name_strategy(held | added, on=unit[0].session).strategy in _FORMED

        return self._last(unit, self.begun[unit[0].session], forms)

    def _written_on(self, unit: list[Opening]) -> Group | None:
        """Return what a short call was written on: assigned shares, or a long-dated call."""
        added = _quantities(unit)
        if len(added) != 1:
            return None
        ((contract, quantity),) = added.items()
        if contract.right is not Right.CALL or quantity > 0:
            return None

        def carries(group: Group, held: dict[LegContract, Decimal]) -> bool:
            named = name_strategy(held | added, on=unit[0].session)
            if group.has_delivery and named.strategy is Strategy.COVERED:
                group.is_wheel = True
                return True
            return named.strategy is Strategy.PMCC

        return self._last(unit, self.carrying, carries)

    def _last(
        self,
        unit: list[Opening],
        among: set[Group],
        fits: Callable[[Group, dict[LegContract, Decimal]], bool],
    ) -> Group | None:
        """Return the newest of these trades that is open and fits. Those that ended are removed.

        What takes an opening in after its end is among them again.
        """
        at = unit[0].at
        among -= {group for group in among if group.ends_before(at)}
        for group in sorted(among, key=lambda group: -group.place):
            if group.openings[0].contract.currency != unit[0].contract.currency:
                continue
            held = group.held(at)
            if held and fits(group, held):
                return group
        return None


def _quantities(openings: Iterable[Opening]) -> dict[LegContract, Decimal]:
    found: dict[LegContract, Decimal] = {}
    for opening in openings:
        for part in opening.parts:
            found[part.contract] = found.get(part.contract, ZERO) + part.quantity
    return found


def _signs(held: dict[LegContract, Decimal]) -> set[tuple[LegContract, bool]]:
    return {(contract, quantity > 0) for contract, quantity in held.items()}


def _sources(openings: Iterable[Opening]) -> dict[int, dict[int, Decimal]]:
    """Return for opened shares the openings of the options that moved them, with how many."""
    ended, booked = [], []
    for opening in openings:
        own = opening.contract
        if opening.kind is ExecutionKind.DELIVERY and opening.is_known:
            price = opening.parts[0].open_price
            if price is not None:
                place = ("", own.underlying, own.currency, opening.session)
                booked.append(
                    Shares(key=opening.key, place=place, units=opening.quantity, prices=(price,))
                )
        for part in opening.parts:
            closing, contract = part.closing, part.contract
            if closing is None or closing.kind not in _DELIVERING or not contract.is_option:
                continue
            if contract.right is None or contract.strike is None:
                continue
            ended.append(
                moved_by(
                    key=opening.key,
                    place=("", contract.underlying, contract.currency, closing.session),
                    kind=contract.kind,
                    right=contract.right,
                    strike=contract.strike,
                    quantity=part.quantity,
                    multiplier=part.multiplier,
                    units=contract.units,
                )
            )
    found: dict[int, dict[int, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for link in link_deliveries(ended, booked):
        found[link.booked][link.ended] += link.units
    return found
