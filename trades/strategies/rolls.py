"""Find rolls, lot by lot: what was closed and opened again elsewhere in the same session.

A roll keeps account, underlying, right and sign; the close is a trade, never an expiry, assignment
or exercise. Pairs of one order come first, then the nearest strike. The smaller quantity pairs; the
rest is new or closed business. Every unit has one parent at most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from portfolio.domain import ExecutionKind
from trades.strategies.opening import ZERO, Closing, LegContract, Opening

_Bucket = tuple[str, object, bool, date]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """A quantity of one lot that went on in another. Keys are those of the openings."""

    parent: int
    child: int
    closing: Closing
    quantity: Decimal
    #: Closed and opened by different orders.
    is_inferred: bool


@dataclass(slots=True)
class _Closed:
    opening: Opening
    contract: LegContract
    closing: Closing
    left: Decimal


@dataclass(slots=True)
class _Opened:
    opening: Opening
    contract: LegContract
    left: Decimal


def find_rolls(openings: Iterable[Opening]) -> list[Roll]:
    """Return the rolls between these openings of one account, in the order they pair."""
    closed: dict[_Bucket, list[_Closed]] = defaultdict(list)
    opened: dict[_Bucket, list[_Opened]] = defaultdict(list)
    for opening in openings:
        for part in opening.parts:
            closing = part.closing
            if closing and closing.kind is ExecutionKind.TRADE and part.contract.is_option:
                bucket = _bucket(part.contract, part.quantity, closing.session)
                closed[bucket].append(_Closed(opening, part.contract, closing, abs(part.quantity)))
        if opening.is_known and opening.kind is ExecutionKind.TRADE and opening.contract.is_option:
            bucket = _bucket(opening.contract, opening.quantity, opening.session)
            opened[bucket].append(_Opened(opening, opening.contract, abs(opening.quantity)))
    rolls: list[Roll] = []
    for bucket in sorted(closed.keys() & opened.keys(), key=str):
        rolls += _pair(closed[bucket], opened[bucket])
    return rolls


def _bucket(contract: LegContract, quantity: Decimal, session: date) -> _Bucket:
    return contract.underlying, contract.right, quantity > 0, session


def _pair(closed: list[_Closed], opened: list[_Opened]) -> list[Roll]:
    pairs = sorted(
        (
            (not_one_order, distance, abs(old.closing.at - new.opening.at), position, number)
            for position, old in enumerate(closed)
            for number, new in enumerate(opened)
            if _may_follow(old, new)
            for not_one_order in (old.closing.order != new.opening.order,)
            for distance in (abs((old.contract.strike or ZERO) - (new.contract.strike or ZERO)),)
        ),
    )
    rolls = []
    for not_one_order, _, _, position, number in pairs:
        old, new = closed[position], opened[number]
        quantity = min(old.left, new.left)
        if not quantity:
            continue
        old.left -= quantity
        new.left -= quantity
        rolls.append(
            Roll(
                parent=old.opening.key,
                child=new.opening.key,
                closing=old.closing,
                quantity=quantity,
                is_inferred=not_one_order,
            )
        )
    return rolls


def _may_follow(old: _Closed, new: _Opened) -> bool:
    """Another contract, opened after the old lot was: lineage never turns back."""
    if old.contract.id == new.contract.id:
        return False
    return not old.opening.is_known or old.opening.at < new.opening.at
