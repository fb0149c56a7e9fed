"""The numbers that alerts can watch, by name. Apps register theirs in ``AppConfig.ready``.

A metric reads one number a minute from a chain's minutes. Its measure is what is watched: the
value, its change in a minute, its change since the open, or its second difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np

from greeks.chains import SIDES, SUMMED_GREEKS, Flags, Floats
from greeks.gex.levels import CALL_WALL_DISTANCE, PUT_WALL_DISTANCE, ZERO_GAMMA_DISTANCE
from greeks.maths.changes import add_up, change_from_base, minute_change

#: Width of a |delta| bucket of ``GreekSnapshot.delta_buckets``.
DELTA_STEP = 0.05
VALUE, CHANGE, FROM_OPEN, SECOND_DIFFERENCE = (
    "value", "change", "from_open", "second_difference",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainMinutes:
    """Consecutive minutes of one chain and session, one row each.

    Row 0 is the minute from which the day's changes are counted; rows 1 to n are ``minutes``. A
    minute that is not stored, or has no number, is NaN. ``buckets``: (n + 1, 2, 20, 5), see
    ``GreekSnapshot``; ``None`` if no rule needs them. ``held_changes``: the same by minute from the
    base on, and ``has_value`` which of those are stored.
    """

    expiry: date
    minutes: tuple[datetime, ...]
    columns: Mapping[str, Floats]
    buckets: Floats | None = None
    held_changes: Floats | None = None
    has_value: Flags | None = None


#: |delta| from, to; ``None`` for the whole chain.
Range = tuple[float, float]
DeltaRange = Range | None
ReadRange = Callable[[Floats, str, Range], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number of a chain: the sum of the ``GreekSnapshot`` fields its side names.

    Columns in ``DISTANCES`` come from the snapshots of gamma exposure instead. A metric without
    sides has the single side "". ``read_range`` computes it from buckets (rows, 2,
    20, 5) for the contracts in a |delta| range. ``digits`` is the number of decimals shown.
    """

    name: str
    label: str
    columns: Mapping[str, tuple[str, ...]]
    digits: int = 2
    read_range: ReadRange | None = field(default=None, repr=False)

    @property
    def sides(self) -> tuple[str, ...]:
        return tuple(side for side in self.columns if side)

    def values(self, minutes: ChainMinutes, side: str, delta_range: DeltaRange) -> Floats:
        """Return one number per row of ``minutes``; NaN if a field is missing."""
        if delta_range is not None and self.read_range is not None:
            if minutes.buckets is None:
                return np.full(len(minutes.minutes) + 1, np.nan)
            return self.read_range(minutes.buckets, side, delta_range)
        total: Floats = np.sum([minutes.columns[name] for name in self.columns[side]], axis=0)
        return total


_metrics: dict[str, Metric] = {}


def register_metric(metric: Metric) -> None:
    if _metrics.setdefault(metric.name, metric) is not metric:
        raise ValueError(f"alert metric {metric.name} is registered twice")


def registered_metrics() -> Mapping[str, Metric]:
    """Return every metric, in order of registration."""
    return dict(_metrics)


def measured(
    metric: Metric, measure: str, minutes: ChainMinutes, *, side: str, delta_range: DeltaRange
) -> Floats:
    """Return the watched number at each of ``minutes``; NaN if missing.

    A change needs the minute before, a second difference the two before; across a gap both are
    missing. In a |delta| range changes are of held contracts, see ``greeks.maths.changes``.
    """
    if delta_range is not None and metric.read_range is not None and measure != VALUE:
        return _held(metric.read_range, measure, minutes, side, delta_range)
    values = metric.values(minutes, side, delta_range)
    base, close = values[0], values[1:]
    if measure == FROM_OPEN:
        return change_from_base(close, base)
    if measure == CHANGE:
        return minute_change(close)
    if measure == SECOND_DIFFERENCE:
        return minute_change(minute_change(close))
    return close


def _held(
    read_range: ReadRange, measure: str, minutes: ChainMinutes, side: str, delta_range: Range
) -> Floats:
    count = len(minutes.minutes)
    if minutes.held_changes is None or minutes.has_value is None:
        return np.full(count, np.nan)
    changes = read_range(minutes.held_changes, side, delta_range)
    held = add_up(changes, minutes.has_value, 0)
    values = held.from_base if measure == FROM_OPEN else held.change
    if measure == SECOND_DIFFERENCE:
        values = minute_change(values)
    before_base = np.full(max(0, count - values.size), np.nan)
    found: Floats = np.concatenate([before_base, values])[-count:]
    return found


# --- Metrics of the chain -----------------------------------------------------------------------
def _greek(greek: str) -> Metric:
    index = SUMMED_GREEKS.index(greek)

    def read_range(buckets: Floats, side: str, delta_range: Range) -> Floats:
        return _sum_of_buckets(buckets, index, side, delta_range)

    return Metric(
        name=greek,
        label=greek.capitalize(),
        columns={side: (f"{side}_{greek}_close",) for side in SIDES},
        digits=4 if greek == "gamma" else 2,
        read_range=read_range,
    )


def _sum_of_buckets(buckets: Floats, greek: int, side: str, delta_range: Range) -> Floats:
    """Sum over the contracts whose |delta| is in the range; NaN if there are none."""
    first, last = (round(bound / DELTA_STEP) for bound in delta_range)
    sides = slice(0, 2) if side == "total" else slice(SIDES.index(side), SIDES.index(side) + 1)
    inside = buckets[:, sides, first:last, :].sum(axis=(1, 2))
    return np.where(inside[:, -1] > 0, inside[:, greek], np.nan)


def _single(name: str, label: str, digits: int = 2) -> Metric:
    return Metric(name=name, label=label, columns={"": (name,)}, digits=digits)


def register_chain_metrics() -> None:
    """Register every number a chain's minute has."""
    for greek in SUMMED_GREEKS:
        register_metric(_greek(greek))
    register_metric(_single("spot", "Spot"))
    register_metric(_single("pcr", "Put/call ratio", 3))
    register_metric(_single("atm_implied_volatility", "ATM implied volatility", 4))
    register_metric(_single("max_pain", "Max pain"))
    register_metric(_single(ZERO_GAMMA_DISTANCE, "Spot above zero gamma, % of spot", 3))
    register_metric(_single(CALL_WALL_DISTANCE, "Call wall above spot, % of spot", 3))
    register_metric(_single(PUT_WALL_DISTANCE, "Put wall below spot, % of spot", 3))
    for name in ("open_interest", "volume"):
        call, put = f"call_{name}", f"put_{name}"
        register_metric(
            Metric(
                name=name,
                label=name.replace("_", " ").capitalize(),
                columns={"call": (call,), "put": (put,), "total": (call, put)},
                digits=0,
            )
        )
