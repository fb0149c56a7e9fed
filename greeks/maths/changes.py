"""How the minutes of a sum change: per minute, from a base, and how fast the change itself
changes.

Arrays hold one value a minute, ascending, without holes in time: a gap is NaN. A change needs the
minute right before it; across a gap it is missing, not one large jump. Arguments may have more
axes before the last, which is time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
VelocityWord = Literal["accelerating", "slowing", "turning", "steady"]

#: A second difference below this share of the change counts as zero: rounding or last-digit noise.
STEADY_SHARE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Velocity:
    """How the last minute moved. ``None``: one of the minutes it needs is a gap.

    ``change`` is the last minute's change, ``second_difference`` that change minus the one before.
    """

    change: float | None
    second_difference: float | None
    word: VelocityWord | None


def minute_change(close: ArrayLike) -> Floats:
    """Return each close minus that of the minute before; NaN at the start and after a gap."""
    closes = np.asarray(close, dtype=np.float64)
    changes = np.full(closes.shape, np.nan)
    changes[..., 1:] = closes[..., 1:] - closes[..., :-1]
    return changes


def change_from_base(close: ArrayLike, base: ArrayLike) -> Floats:
    """Return each close minus ``base``, the session's first close; NaN if either is missing.

    ``base`` is a number, or an array of the shape of ``close`` without its last axis.
    """
    closes = np.asarray(close, dtype=np.float64)
    result: Floats = closes - np.asarray(base, dtype=np.float64)[..., None]
    return result


def velocity(close: ArrayLike) -> Velocity:
    """Return the last change of a series and whether it grows. ``close`` has one axis.

    With d₁ the last minute's change and d₂ = d₁ − d₀ the second difference:

    ============  =====================================================================
    word          when
    ============  =====================================================================
    steady        d₂ is zero (or below a billionth of the larger change)
    turning       d₀ and d₁ have opposite signs: the sum changed direction
    accelerating  |d₁| > |d₀|: it moves faster in the same direction
    slowing       |d₁| < |d₀|: it moves more slowly in that direction, or stands still
    ============  =====================================================================
    """
    closes = np.asarray(close, dtype=np.float64)
    changes = minute_change(closes[-3:]).tolist()
    last = _known(changes[-1]) if len(changes) >= 2 else None
    before = _known(changes[-2]) if len(changes) >= 3 else None
    if last is None or before is None:
        return Velocity(change=last, second_difference=None, word=None)
    second = last - before
    return Velocity(change=last, second_difference=second, word=_word(before, last, second))


def _word(before: float, last: float, second: float) -> VelocityWord:
    if abs(second) <= STEADY_SHARE * max(abs(before), abs(last)):
        return "steady"
    if before < 0 < last or last < 0 < before:
        return "turning"
    return "accelerating" if abs(last) > abs(before) else "slowing"


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
