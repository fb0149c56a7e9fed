"""How long the desk's parts took to work again after each fault: the run's last lines, a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

_noted: dict[str, list[float]] = {}


def note_recovery(fault: str, seconds: Sequence[float]) -> None:
    """Keep the seconds from each fault to the first work after it."""
    _noted.setdefault(fault, []).extend(seconds)


def recovery_table() -> Iterator[str]:
    """Yield the lines of a table in Markdown; none if nothing was noted."""
    if _noted:
        yield "| fault | times | back at work after: median, longest |"
        yield "|---|---|---|"
    for fault, seconds in _noted.items():
        yield f"| {fault} | {len(seconds)} | {median(seconds):.1f} s, {max(seconds):.1f} s |"
