"""Decide whether a number has crossed its threshold. Pure: state and next value in, result out.

A Schmitt trigger: once fired, a rule re-arms only when the number has come back by its band, so a
number hovering at the threshold raises one alert, not a storm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

ABOVE = "above"
BELOW = "below"
CROSSES = "crosses"
UNKNOWN = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What to watch for. ``band`` ≥ 0, in the number's unit."""

    comparison: str
    level: float
    band: float = 0.0
    cooldown: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The state after the minutes seen so far."""

    state: str = UNKNOWN
    last_fired: datetime | None = None


@dataclass(frozen=True, slots=True)
class Firing:
    """The threshold was crossed in a minute; ``watch`` is the state after it."""

    minute: datetime
    value: float
    watch: Watch


def settle(threshold: Threshold, state: str, value: float) -> str:
    """Return the side the number is on after ``value``, coming from ``state``.

    ``above`` and ``below`` start armed, so a number already beyond the level fires in the first
    minute; ``crosses`` must see one side before it can see the other.
    """
    level, band = threshold.level, threshold.band
    if threshold.comparison == ABOVE:
        back = level if state != ABOVE else level - band
        return ABOVE if value > back else BELOW
    if threshold.comparison == BELOW:
        back = level if state != BELOW else level + band
        return BELOW if value < back else ABOVE
    up = level + (band if state == BELOW else 0.0)
    down = level - (band if state == ABOVE else 0.0)
    if value > up:
        return ABOVE
    return BELOW if value < down else state


def fires(threshold: Threshold, before: str, after: str) -> bool:
    """Return whether this change of side is the one watched for."""
    if before == after:
        return False
    if threshold.comparison == CROSSES:
        return UNKNOWN not in (before, after)
    return after == threshold.comparison


def advance(threshold: Threshold, watch: Watch, minute: datetime, value: float) -> Watch | Firing:
    """Return the state after one minute's value, or the firing it caused.

    A missing value (NaN) leaves the state unchanged. A crossing within the cooldown is ignored; if
    it still stands when the cooldown ends, it fires then.
    """
    if not math.isfinite(value):
        return watch
    state = settle(threshold, watch.state, value)
    if not fires(threshold, watch.state, state):
        return watch if state == watch.state else replace(watch, state=state)
    if watch.last_fired is not None and minute - watch.last_fired < threshold.cooldown:
        return watch
    return Firing(minute, value, Watch(state=state, last_fired=minute))


def firings(
    threshold: Threshold, watch: Watch, values: Iterable[tuple[datetime, float]]
) -> Iterator[Watch | Firing]:
    """Apply ``advance`` to minutes in order."""
    for minute, value in values:
        step = advance(threshold, watch, minute, value)
        yield step
        watch = step.watch if isinstance(step, Firing) else step
