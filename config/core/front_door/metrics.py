"""Counting the door's answers into the same histogram as Django's, a second's worth at a time.

One observation costs more than an answer of the door; a list of counters costs next to nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from config.core.monitoring import REQUEST_BUCKETS, REQUEST_SECONDS


@dataclass(slots=True)
class _Counted:
    counts: list[int] = field(default_factory=lambda: [0] * (len(REQUEST_BUCKETS) + 1))
    total: float = 0.0


class AnswerCounter:
    """Answers since the last ``flush``, by method, route and status. For one thread."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str, int], _Counted] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        name = (method, route, status)
        counted = self._counted.get(name)
        if counted is None:
            counted = self._counted[name] = _Counted()
        counted.counts[bisect_left(REQUEST_BUCKETS, seconds)] += 1
        counted.total += seconds

    def flush(self) -> None:
        """Hand everything to Prometheus."""
        counted, self._counted = self._counted, {}
        for (method, route, status), one in counted.items():
            REQUEST_SECONDS.labels(method, route, status).observe_counted(one.counts, one.total)
