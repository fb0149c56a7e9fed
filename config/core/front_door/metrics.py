"""Count the door's answers into the same histogram as Django's, a second's worth at a time.

One observation costs more than an answer of the door; a list of counters costs almost nothing.
"""

from __future__ import annotations

from bisect import bisect_left

from config.core.web.monitoring import REQUEST_BUCKETS, REQUEST_SECONDS

_BUCKETS = list(REQUEST_BUCKETS)


class _Counted:
    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS) + 1)
        self.total = 0.0


class AnswerCounter:
    """Answers since the last ``flush``, by route, method and status. For one thread."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str, int], _Counted] = {}

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        counted = self._counted.get((route, method, status))
        if counted is None:
            counted = self._counted[route, method, status] = _Counted()
        counted.counts[bisect_left(_BUCKETS, seconds)] += 1
        counted.total += seconds

    def flush(self) -> None:
        """Hand everything to Prometheus."""
        counted, self._counted = self._counted, {}
        for (route, method, status), one in counted.items():
            REQUEST_SECONDS.labels(method, route, status).observe_counted(one.counts, one.total)
