"""A trade's profit along the marks of its life: its worst, its best, and earlier exits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trades.models import TradeLot

Floats = NDArray[np.float64]

#: Shares of the maximum profit, in percent, at which closing is looked at.
PROFIT_EXITS: Final = (25, 50, 75)
#: Days to expiry at which closing is looked at.
DAYS_EXIT: Final = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedLot:
    """A lot of the trade. Times are minutes (Unix seconds), money is of the whole lot.

    ``units`` are signed units of the underlying; ``net`` is what it brought once closed.
    """

    instrument: int
    opened: float
    closed: float
    units: float
    price: float
    open_costs: float
    net: float

    @classmethod
    def of(cls, lot: TradeLot) -> MarkedLot:
        """Return a stored lot; unknown numbers are NaN, and an open one never closes."""
        opened, closed = lot.opened_at, lot.closed_at
        return cls(
            instrument=lot.instrument_id,
            opened=opened.timestamp() if opened else np.nan,
            closed=closed.timestamp() if closed else np.inf,
            units=float(lot.quantity * lot.instrument.multiplier),
            price=np.nan if lot.open_price is None else float(lot.open_price),
            open_costs=float(lot.open_costs or 0),
            net=np.nan if lot.net is None else float(lot.net),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Excursions:
    """``worst`` and ``best`` are ``None`` without a mark; ``exits`` holds only what was reached."""

    seen: int
    worst: float | None
    best: float | None
    exits: dict[str, float]


def money_along(
    lots: Sequence[MarkedLot], marks: Mapping[int, Mapping[float, float]], minutes: Floats
) -> Floats:
    """Return what the lots had brought at each of ``minutes``, (minutes,).

    ``marks`` are prices by instrument and minute, ``minutes`` ascend. NaN where a lot that is open
    lacks one.
    """
    money = np.zeros(minutes.size)
    for lot in lots:
        opens, closes = np.searchsorted(minutes, (lot.opened, lot.closed)).tolist()
        price = np.full(max(0, closes - opens), np.nan)
        if known := marks.get(lot.instrument):
            price[:] = [known.get(minute, np.nan) for minute in minutes[opens:closes].tolist()]
        money[opens:closes] += (price - lot.price) * lot.units - lot.open_costs
        money[closes:] += lot.net
    return money


def measure_excursions(
    lots: Sequence[MarkedLot],
    marks: Mapping[int, Mapping[float, float]],
    minutes: Floats,
    *,
    most: float | None,
    days_exit_at: float | None,
) -> Excursions:
    """Follow the trade's money over ``minutes``, those of sessions while it was open.

    ``marks`` are closing prices by instrument and minute. A minute counts if every lot open in it
    has a mark. ``most`` is the maximum profit, ``days_exit_at`` when 21 days were left.
    """
    money = money_along(lots, marks, minutes)
    seen = ~np.isnan(money)
    if not seen.any():
        return Excursions(seen=0, worst=None, best=None, exits={})
    exits = {}
    for percent in PROFIT_EXITS if most else ():
        reached = np.flatnonzero(seen & (money >= percent / 100 * (most or 0.0)))
        if reached.size:
            exits[str(percent)] = float(money[reached[0]])
    if days_exit_at is not None:
        left = np.flatnonzero(seen & (minutes >= days_exit_at))
        if left.size:
            exits[str(DAYS_EXIT)] = float(money[left[0]])
    known_money = money[seen]
    return Excursions(
        seen=int(seen.sum()),
        worst=float(known_money.min()),
        best=float(known_money.max()),
        exits=exits,
    )
