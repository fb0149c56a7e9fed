"""When a number has crossed its threshold: a state, the next value, and what follows. Pure.

A Schmitt trigger: having fired, a rule is armed again only when the number has come back by its
band, so that a number dancing at the threshold raises one alert and not a storm.
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
    """What is watched for. ``band`` ≥ 0 is in the unit of the number."""

    comparison: str
    level: float
    band: float = 0.0
    cooldown: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is known after the minutes seen so far."""

    state: str = UNKNOWN
    last_fired: datetime | None = None


@dataclass(frozen=True, slots=True)
class Firing:
    """The threshold was crossed in a minute; ``watch`` is what is known after it."""

    minute: datetime
    value: float
    watch: Watch


def settle(threshold: Threshold, state: str, value: float) -> str:
    """The side on which the number is after ``value``, coming from ``state``.

    ``above`` and ``below`` begin armed, so that a number that is already beyond the level fires in
    the first minute; ``crosses`` has to have seen one side before it can see the other.
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
    """Whether going from one side to the other is what is watched for."""
    if before == after:
        return False
    if threshold.comparison == CROSSES:
        return UNKNOWN not in (before, after)
    return after == threshold.comparison


def advance(threshold: Threshold, watch: Watch, minute: datetime, value: float) -> Watch | Firing:
    """What is known after one minute's value, or the firing that it caused.

    A missing value (NaN) says nothing: the watch stays as it is. Within the cooldown the crossing
    is not taken note of: where it still stands when the cooldown has passed, it fires then.
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
    """``advance`` over minutes in their order."""
    for minute, value in values:
        step = advance(threshold, watch, minute, value)
        yield step
        watch = step.watch if isinstance(step, Firing) else step
