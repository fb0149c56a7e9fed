"""Interleaved rounds and their medians: drift on a shared machine hits every side equally."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the report. A row without a bar is information; ``note`` says how it was made."""

    name: str
    measured: float
    bar: float | None = None
    unit: str
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Measured ÷ bar: at most 1.00 holds the bar."""
        return self.measured / self.bar if self.bar else None

    @property
    def holds(self) -> bool | None:
        return None if self.ratio is None else self.ratio <= 1.0


def seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def interleaved(
    calls: Mapping[str, Callable[[], float]], *, rounds: int = 5, each: int = 1
) -> dict[str, list[float]]:
    """What each call measures: all calls in turn, round after round, after one round to warm up.

    A call returns what it measured; ``each`` is how often it is made in a round, whose median
    counts.
    """
    measured: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            values = [call() for _ in range(each)]
            if number:
                measured[name].append(statistics.median(values))
    return measured


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def report(rows: Sequence[Row]) -> str:
    """Return the rows as a table: measured, bar and their ratio; each note on its own line."""
    width = max(len(row.name) for row in rows)
    lines = [f"{'row':<{width}}  {'measured':>14}  {'bar':>14}  {'ratio':>6}  holds"]
    for row in rows:
        bar = "" if row.bar is None else f"{row.bar:.2f} {row.unit:<3}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        holds = {True: "yes", False: "NO", None: "(information)"}[row.holds]
        lines.append(
            f"{row.name:<{width}}  {row.measured:>10.2f} {row.unit:<3}  {bar:>14}  {ratio:>6}"
            f"  {holds}"
        )
        lines += [f"    {line}" for line in row.note.splitlines()]
    return "\n".join(lines)
