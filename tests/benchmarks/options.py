"""Options of a benchmark run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``rounds`` interleaved rounds a row; ``idle`` seconds before memory is read."""

    rounds: int = 5
    idle: float = 30.0


class NotMeasured(Exception):
    """A row could not be measured. The message says why."""
