"""Sample points of a trade's life, with holdings and values at each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trades.statistics.marks.excursions import MarkedLot

Floats = NDArray[np.float64]
MOST_POINTS: Final = 360
#: A point takes the last row of so many minutes, so that one missed poll is no gap.
_BACK: Final = 3
MINUTE: Final = 60.0


def minutes_a_point(minutes: int) -> int:
    """Return the step that shows so many minutes in ``MOST_POINTS`` points."""
    return max(1, -(-minutes // MOST_POINTS))


def sample(minutes: Floats, step: int) -> Floats:
    """Return the last of each ``step`` minutes, and the last of all."""
    if not minutes.size:
        return minutes
    points = minutes[step - 1 :: step]
    if points.size and points[-1] == minutes[-1]:
        return points
    return np.append(points, minutes[-1])


def looked_at(points: Floats, step: int) -> Floats:
    """Return the minutes whose rows count for the points."""
    back = np.arange(min(step, _BACK)) * MINUTE
    return np.unique(points[:, None] - back)


def at_points(rows: Iterable[tuple[float, float]], points: Floats, step: int) -> Floats:
    """Put rows of (minute, value) at their points: the last one counts, NaN without one."""
    found = np.full(points.size, np.nan)
    for minute, value in sorted(rows):
        place = int(np.searchsorted(points, minute))
        if place < points.size and points[place] - minute < min(step, _BACK) * MINUTE:
            found[place] = value
    return found


def units_held(lots: Sequence[MarkedLot], points: Floats) -> dict[int, Floats]:
    """Return by instrument the signed units of the underlying that were open, (points,)."""
    held: dict[int, Floats] = {}
    for lot in lots:
        open_then = (points >= lot.opened) & (points < lot.closed)
        units = held.setdefault(lot.instrument, np.zeros(points.size))
        units += np.where(open_then, lot.units, 0.0)
    return held


def summed(held: Mapping[int, Floats], each: Mapping[int, Floats], points: int) -> Floats:
    """Sum units × value; NaN where a held contract has no value."""
    total = np.zeros(points)
    unknown = np.full(points, np.nan)
    for instrument, units in held.items():
        total += np.where(units == 0.0, 0.0, units * each.get(instrument, unknown))
    return total
