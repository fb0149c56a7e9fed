"""Interleaved rounds and their medians: what drifts on a shared machine hits every side alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the report. ``ratio`` is measured ÷ bar: at most 1.00 holds the bar."""

    name: str
    measured: float
    bar: float
    unit: str
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.measured / self.bar

    @property
    def holds(self) -> bool:
        return self.ratio <= 1.0


def seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def interleaved(
    calls: Mapping[str, Callable[[], object]], *, rounds: int = 5, each: int = 1
) -> dict[str, list[float]]:
    """Seconds of each call: all calls in turn, round after round, after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            taken = [seconds(call) for _ in range(each)]
            if number:
                times[name].extend(taken)
    return times


def median(values: list[float]) -> float:
    return statistics.median(values)


def report(rows: list[Row]) -> str:
    """The rows as a table: measured, bar and their ratio."""
    width = max(len(row.name) for row in rows)
    lines = [f"{'row':<{width}}  {'measured':>12}  {'bar':>12}  {'ratio':>6}  holds"]
    lines += [
        f"{row.name:<{width}}  {row.measured:>9.2f} {row.unit:<2}  {row.bar:>9.2f} {row.unit:<2}"
        f"  {row.ratio:>6.2f}  {'yes' if row.holds else 'NO'}  {row.note}"
        for row in rows
    ]
    return "\n".join(lines)
