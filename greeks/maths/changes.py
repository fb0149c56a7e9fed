"""How the minutes of a sum change: per minute, from a base, and how fast the change itself
changes.

Arrays hold one value a minute, ascending, without holes in time: a gap is NaN. A change needs the
minute right before it; across a gap it is missing, not one large jump. Arguments may have more
axes before the last, which is time.

How the sums of a |delta| range change when contracts cross its ends.

As spot moves, contracts enter and leave a range, and its sum jumps though no Greek moved. So a
change compares one set of contracts, those in the range at the earlier of the two minutes, with
Greeks in both; the change since the base adds these up. What is left of the sum's own change is of
the contracts that crossed an end of the range, or whose Greeks came or went.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from greeks.chains import Flags, Floats, OptionChain
from greeks.maths.aggregation import (
    BUCKETS,
    BUCKETS_SHAPE,
    FilledGreeks,
    bucket_places,
    summed_greeks,
)

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


def velocity(change: ArrayLike) -> Velocity:
    """Return the last of a series' changes and whether it grows. ``change`` has one axis.

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
    changes = np.asarray(change, dtype=np.float64)[-2:].tolist()
    last = _known(changes[-1]) if changes else None
    before = _known(changes[-2]) if len(changes) == 2 else None
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


# --- Ranges of |delta| ----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContractGreeks:
    """The Greeks that were summed, by contract: ``greeks`` (4, contracts), all known."""

    keys: tuple[str, ...]
    is_call: Flags
    greeks: Floats

    def __len__(self) -> int:
        return len(self.keys)


def contract_greeks(chain: OptionChain, filled: FilledGreeks) -> ContractGreeks:
    """Return the Greeks of a chain's contracts as ``sum_chain`` sums them."""
    greeks, known = summed_greeks(chain, filled)
    rows = np.flatnonzero(known)
    return ContractGreeks(
        keys=tuple(chain.keys[row] for row in rows.tolist()),
        is_call=chain.is_call[rows],
        greeks=greeks[:, rows],
    )


def bucket_changes(before: ContractGreeks, after: ContractGreeks) -> Floats:
    """Return the changes of contracts with Greeks at both times, by |delta| before.

    Shape (2 sides, 20, 5); the last axis is delta, gamma, theta, vega and the number of contracts.
    """
    rows, others = _pairs(before.keys, after.keys)
    changed = after.greeks[:, others] - before.greeks[:, rows]
    places = bucket_places(before.greeks[0, rows], before.is_call[rows])
    values = [*changed, np.ones(rows.size)]
    summed = [np.bincount(places, weights=one, minlength=2 * BUCKETS) for one in values]
    changes: Floats = np.stack(summed, axis=1).astype(np.float64).reshape(BUCKETS_SHAPE)
    return changes


def _pairs(
    keys: tuple[str, ...], others: tuple[str, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    if keys == others:
        both = np.arange(len(keys))
        return both, both
    places = {key: place for place, key in enumerate(others)}
    pairs = [(row, places[key]) for row, key in enumerate(keys) if key in places]
    found = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return found[:, 0], found[:, 1]


@dataclass(frozen=True, slots=True, eq=False)
class HeldChanges:
    """Changes of held contracts added up, by minute: ``total`` from the base, NaN in a gap;
    ``unknown`` counts the minutes up to then whose contracts are not known."""

    total: Floats
    unknown: Floats

    @property
    def from_base(self) -> Floats:
        """Return the change since the base: NaN after a minute whose contracts are not known."""
        return np.where(self.unknown == 0, self.total, np.nan)

    @property
    def change(self) -> Floats:
        """Return the change since the minute (or step) before: NaN after a gap."""
        return np.where(minute_change(self.unknown) == 0, minute_change(self.total), np.nan)


def add_up(changes: Floats, has_value: Flags, base: int | None) -> HeldChanges:
    """Add up changes (…, minutes), each from the last minute with a value before it.

    ``has_value`` (minutes) is false in a gap; nothing before ``base`` counts.
    """
    counted = has_value & (np.arange(changes.shape[-1]) > (-1 if base is None else base))
    missing = counted & np.isnan(changes)
    total = np.cumsum(np.where(counted & ~missing, changes, 0.0), axis=-1)
    unknown = np.cumsum(missing, axis=-1).astype(np.float64)
    is_known = has_value & (np.arange(changes.shape[-1]) >= (base or 0))
    return HeldChanges(np.where(is_known, total, np.nan), np.where(is_known, unknown, np.nan))
