"""The vendor's three call windows, as documented for its standard APIs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

#: (calls, seconds)
WINDOWS: Final = ((50, 1.0), (500, 60.0), (2000, 1800.0))


class CallLimits:
    """Tells whether a call exceeds a window, by ``clock``'s seconds. Refused calls are not
    counted.
    """

    def __init__(self, *, enabled: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.enabled = enabled
        self.clock = clock
        self._lock = threading.Lock()
        self._calls: deque[float] = deque(maxlen=max(limit for limit, _ in WINDOWS))

    def take(self) -> bool:
        if not self.enabled:
            return True
        moment = self.clock()
        with self._lock:
            for limit, seconds in WINDOWS:
                if len(self._calls) >= limit and self._calls[-limit] > moment - seconds:
                    return False
            self._calls.append(moment)
        return True
