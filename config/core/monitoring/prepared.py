"""Count the front door's many cheap answers: without a lock, one addition each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from config.core.monitoring.counting import Kind, add_source, keeper
from config.core.monitoring.measured import EDGES, Measured
from config.core.monitoring.store import Key


class _Counted:
    __slots__ = ("counts", "seconds", "taken_counts", "taken_seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(EDGES) + 1)
        self.seconds = 0.0
        self.taken_counts = list(self.counts)
        self.taken_seconds = 0.0

    def take(self) -> Measured:
        """Return what is new. The sums only grow, so the counting thread needs no lock."""
        counts, seconds = list(self.counts), self.seconds
        new = Measured()
        for bucket, (count, taken) in enumerate(zip(counts, self.taken_counts, strict=True)):
            if count != taken:
                new.buckets[bucket] = count - taken
        new.seconds = seconds - self.taken_seconds
        self.taken_counts, self.taken_seconds = counts, seconds
        return new


class AnswerCounter:
    """Answers by route, method and status. One thread counts, another collects."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str, int, bool], _Counted] = {}
        add_source(self)

    def count(
        self, route: str, method: str, status: int, seconds: float, *, is_hit: bool = True
    ) -> None:
        """Count one answer; ``is_hit``: it was a prepared body."""
        key = (route, method, status, is_hit)
        counted = self._counted.get(key)
        if counted is None:
            counted = self._counted[key] = _Counted()
        counted.counts[bisect_left(EDGES, seconds)] += 1
        counted.seconds += seconds
        if not keeper.is_awake:
            keeper.wake()

    def take(self) -> Iterator[tuple[Key, Measured]]:
        """Yield what was counted since the last call."""
        for (route, method, status, is_hit), counted in list(self._counted.items()):
            new = counted.take()
            if new.buckets:
                new.hits = new.count if is_hit else 0
                yield (Kind.REQUEST, f"{method} {route}", str(status)), new
