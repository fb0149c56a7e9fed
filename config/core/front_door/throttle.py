"""Limit a caller's calls per second. A fixed window: one comparison and one addition."""

from __future__ import annotations

from dataclasses import dataclass

#: Addresses that are counted apart in one second; all others share one allowance.
MOST_ADDRESSES = 10_000


@dataclass(slots=True, eq=False)
class Allowance:
    """One caller's calls in the current second."""

    second: int = 0
    calls: int = 0

    def is_used_up(self, moment: float, limit: int) -> bool:
        """Count one call at ``moment``; return whether it exceeds ``limit`` (0: no limit)."""
        second = int(moment)
        if second != self.second:
            self.second = second
            self.calls = 0
        self.calls += 1
        return self.calls > limit > 0


class Addresses:
    """Each address's calls in the current second, in bounded memory."""

    def __init__(self) -> None:
        self._second = 0
        self._calls: dict[str, int] = {}

    def is_used_up(self, address: str, moment: float, limit: int) -> bool:
        """Count one call from ``address``; return whether it exceeds ``limit`` (0: no limit)."""
        if not limit:
            return False
        second = int(moment)
        if second != self._second:
            self._second = second
            self._calls = {}
        if address not in self._calls and len(self._calls) >= MOST_ADDRESSES:
            address = ""
        calls = self._calls[address] = self._calls.get(address, 0) + 1
        return calls > limit

    def __len__(self) -> int:
        return len(self._calls)
