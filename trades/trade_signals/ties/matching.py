"""Which trade follows which signal: by symbol, direction and time. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trades.strategies.payoff import PayoffLeg, payoff_at, payoff_prices

#: A contract, and whether it is bought.
Side = tuple[int, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A signal that no trade follows yet. ``until`` ends its window.

    ``legs`` are contracts with their sides; empty if the signal names only the underlying.
    """

    signal: int
    at: datetime
    until: datetime
    accounts: frozenset[str]
    underlying: str
    is_long: bool
    legs: frozenset[Side]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A trade by the key of its opening. ``is_long`` is ``None`` if it gains on neither side."""

    key: int
    at: datetime
    account: str
    underlying: str
    is_long: bool | None
    legs: frozenset[Side]


def match_by_window(wanted: Iterable[Wanted], opened: Iterable[Opened]) -> dict[int, int]:
    """Return the opening that follows each signal, for those that have one.

    Of all pairs that fit, the closest in time counts first; a trade follows one signal at most.
    """
    trades = list(opened)
    pairs = [
        (trade.at - signal.at, signal.at, signal.signal, trade.key)
        for signal in wanted
        for trade in trades
        if _fits(signal, trade)
    ]
    found: dict[int, int] = {}
    taken: set[int] = set()
    for _, _, signal_id, key in sorted(pairs):
        if signal_id not in found and key not in taken:
            found[signal_id] = key
            taken.add(key)
    return found


def _fits(signal: Wanted, trade: Opened) -> bool:
    if not signal.at <= trade.at <= signal.until or trade.account not in signal.accounts:
        return False
    if signal.legs:
        return signal.legs <= trade.legs
    return signal.underlying == trade.underlying and signal.is_long is trade.is_long


def is_long(legs: Iterable[PayoffLeg]) -> bool | None:
    """Return whether legs gain more far above than far below; ``None`` if equal or not known."""
    given = list(legs)
    prices = payoff_prices(given)
    if not prices:
        return None
    below, above = payoff_at(given, [prices[0], prices[-1]])
    return None if abs(above - below) < Decimal("0.005") else above > below
