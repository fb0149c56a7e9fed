"""Durations as a histogram of narrow buckets, so that those of all processes can be added.

Each bucket is at most a tenth wider than the last, so a quantile is within a tenth of the exact
one.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import Final

#: Seconds; Prometheus gets these buckets.
PROMETHEUS_BUCKETS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
#: A slower request is warned about.
SLOW_SECONDS: Final = 1.0

_GROWTH: Final = 1.1


def _between(low: float, high: float) -> list[float]:
    """Return edges above ``low`` up to ``high`` itself, none more than ``_GROWTH`` apart."""
    steps = math.ceil(math.log(high / low) / math.log(_GROWTH) - 1e-9)
    return [*(low * (high / low) ** (step / steps) for step in range(1, steps)), high]


_MARKS: Final = (1e-5, *PROMETHEUS_BUCKETS, 120.0)
#: Upper edges, inclusive; what exceeds the last is in a bucket of its own. They hold all of
#: Prometheus's and ``SLOW_SECONDS``, so what is counted there is exact.
EDGES: Final = [_MARKS[0], *(edge for pair in pairwise(_MARKS) for edge in _between(*pair))]
#: Prometheus's bucket of each of ours.
_PROMETHEUS_INDEX: Final = [
    *(bisect_left(PROMETHEUS_BUCKETS, edge) for edge in EDGES), len(PROMETHEUS_BUCKETS),
]  # fmt: skip
_FIRST_SLOW: Final = bisect_left(EDGES, SLOW_SECONDS) + 1


class Measured:
    """Durations in seconds, and what was counted with them.

    ``database`` and ``provider``: seconds spent waiting for each. ``hits`` and ``misses``: of
    caches.
    """

    __slots__ = ("buckets", "database", "hits", "misses", "provider", "seconds")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.seconds = 0.0
        self.hits = 0
        self.misses = 0
        self.database = 0.0
        self.provider = 0.0

    def add(self, seconds: float) -> None:
        bucket = bisect_left(EDGES, seconds)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.seconds += seconds

    def merge(self, other: Measured) -> None:
        """Add another's counts."""
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.seconds += other.seconds
        self.hits += other.hits
        self.misses += other.misses
        self.database += other.database
        self.provider += other.provider

    @property
    def count(self) -> int:
        return sum(self.buckets.values())

    @property
    def slow(self) -> int:
        """How many took longer than ``SLOW_SECONDS``."""
        return sum(count for bucket, count in self.buckets.items() if bucket >= _FIRST_SLOW)

    @property
    def average(self) -> float | None:
        """Seconds; ``None`` without any."""
        return self.seconds / count if (count := self.count) else None

    @property
    def hit_rate(self) -> float | None:
        """Share of cache lookups that hit, 0 to 1; ``None`` if nothing was looked up."""
        lookups = self.hits + self.misses
        return self.hits / lookups if lookups else None

    def quantile(self, share: float) -> float | None:
        """Return the seconds that ``share`` of the durations do not exceed (nearest rank).

        Interpolates within a bucket; the largest is at least the mean, and at most what the others
        leave of the sum. ``None`` without durations.
        """
        rank = math.ceil(share * self.count)
        before, shorter = 0, 0.0
        for bucket, count in sorted(self.buckets.items()):
            low = EDGES[bucket - 1] if bucket else 0.0
            if before + count >= rank:
                high = EDGES[bucket] if bucket < len(EDGES) else low
                value = low + (high - low) * (rank - before - 0.5) / count
                if rank < self.count:
                    return value
                others = shorter + low * (count - 1)
                return min(max(value, self.seconds / rank), self.seconds - others)
            before += count
            shorter += low * count
        return None

    def prometheus_counts(self) -> list[int]:
        """Return the counts in Prometheus's buckets, the last one unbounded."""
        counts = [0] * (len(PROMETHEUS_BUCKETS) + 1)
        for bucket, count in self.buckets.items():
            counts[_PROMETHEUS_INDEX[bucket]] += count
        return counts
