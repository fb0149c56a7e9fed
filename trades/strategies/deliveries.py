"""Link assigned and exercised options with the shares that they moved.

Many to many, as a multiset: the same account, underlying, currency and session, the shares' price
equal to the strike, and the same direction. Equal quantities pair first; what is left over of
others is shared out. Nothing is linked by quantity alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from greeks.domain import InstrumentKind, Right

#: Account, underlying, currency, session.
Place = tuple[str, str, str, date]


@dataclass(slots=True, kw_only=True)
class Shares:
    """What an option's end should move, or what was booked. ``units`` received are positive.

    ``left`` is what no link has taken. Of ``prices`` the first one that fits counts.
    """

    key: int
    place: Place
    units: Decimal
    prices: tuple[Decimal, ...]
    left: Decimal = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.units


@dataclass(frozen=True, slots=True)
class Delivery:
    """So many of the booked shares came from this option's end."""

    ended: int
    booked: int
    units: Decimal


def moved_by(
    *,
    key: int,
    place: Place,
    kind: InstrumentKind,
    right: Right,
    strike: Decimal,
    quantity: Decimal,
    multiplier: Decimal,
    units: Decimal,
) -> Shares:
    """Return what the end of ``quantity`` contracts (long positive) moves, ``units`` each.

    A short put and a long call bring shares. An adjusted contract's price may be told per share
    of what it delivers. An option on a future delivers one future.
    """
    each = Decimal(1) if kind is InstrumentKind.FUTURE_OPTION else units
    sign = 1 if right is Right.CALL else -1
    prices: tuple[Decimal, ...] = (strike,)
    if kind is InstrumentKind.OPTION and units and units != multiplier:
        prices = (strike, strike * multiplier / units)
    return Shares(key=key, place=place, units=quantity * each * sign, prices=prices)


def link_deliveries(ended: Iterable[Shares], booked: Iterable[Shares]) -> list[Delivery]:
    """Link ends with booked shares; each one's ``left`` says what found nothing."""
    options = sorted(ended, key=lambda each: each.key)
    shares = sorted(booked, key=lambda each: each.key)
    found: list[Delivery] = []
    for turn in range(max((len(option.prices) for option in options), default=0)):
        buckets: dict[tuple[Place, Decimal, bool], list[Shares]] = defaultdict(list)
        for share in shares:
            buckets[share.place, share.prices[0], share.units > 0].append(share)
        waiting: dict[tuple[Place, Decimal, bool], list[Shares]] = defaultdict(list)
        for option in options:
            if turn < len(option.prices):
                waiting[option.place, option.prices[turn], option.units > 0].append(option)
        for bucket, group in waiting.items():
            for equal in (True, False):
                found += _pair(group, buckets.get(bucket, []), equal=equal)
    return found


def _pair(options: list[Shares], shares: list[Shares], *, equal: bool) -> Iterable[Delivery]:
    for option in options:
        for share in shares:
            if not option.left or not share.left or (equal and option.left != share.left):
                continue
            units = min(option.left, share.left, key=abs)
            option.left -= units
            share.left -= units
            yield Delivery(option.key, share.key, units)
