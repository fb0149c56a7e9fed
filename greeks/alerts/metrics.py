"""The numbers that alerts can watch, by name. Apps register theirs in ``AppConfig.ready``.

A metric reads one number a minute from a chain's minutes. Its measure is what is watched: the
value, its change in a minute, its change since the open, or its second difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np

from greeks.chains import SIDES, SUMMED_GREEKS, Floats
from greeks.maths.changes import change_from_base, minute_change

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
    ``GreekSnapshot``; ``None`` if no rule needs them.
    """

    expiry: date
    minutes: tuple[datetime, ...]
    columns: Mapping[str, Floats]
    buckets: Floats | None = None


#: |delta| from, to; ``None`` for the whole chain.
DeltaRange = tuple[float, float] | None
ReadRange = Callable[[ChainMinutes, str, tuple[float, float]], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number of a chain: the sum of the ``GreekSnapshot`` fields its side names.

    A metric without sides has the single side "". ``read_range`` computes it from the buckets for
    the contracts in a |delta| range. ``digits`` is the number of decimals shown.
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
            return self.read_range(minutes, side, delta_range)
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
    missing.
    """
    values = metric.values(minutes, side, delta_range)
    base, close = values[0], values[1:]
    if measure == FROM_OPEN:
        return change_from_base(close, base)
    if measure == CHANGE:
        return minute_change(close)
    if measure == SECOND_DIFFERENCE:
        return minute_change(minute_change(close))
    return close


# --- Metrics of the chain -----------------------------------------------------------------------
def _greek(greek: str) -> Metric:
    index = SUMMED_GREEKS.index(greek)

    def read_range(minutes: ChainMinutes, side: str, delta_range: tuple[float, float]) -> Floats:
        return _sum_of_buckets(minutes, index, side, delta_range)

    return Metric(
        name=greek,
        label=greek.capitalize(),
        columns={side: (f"{side}_{greek}_close",) for side in SIDES},
        digits=4 if greek == "gamma" else 2,
        read_range=read_range,
    )


def _sum_of_buckets(
    minutes: ChainMinutes, greek: int, side: str, delta_range: tuple[float, float]
) -> Floats:
    """Sum over the contracts whose |delta| is in the range; NaN if there are none."""
    if minutes.buckets is None:
        return np.full(len(minutes.minutes) + 1, np.nan)
    first, last = (round(bound / DELTA_STEP) for bound in delta_range)
    sides = slice(0, 2) if side == "total" else slice(SIDES.index(side), SIDES.index(side) + 1)
    inside = minutes.buckets[:, sides, first:last, :].sum(axis=(1, 2))
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
