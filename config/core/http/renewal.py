"""One renewal of credentials, however many calls were refused with the old ones.

The token manager compares tokens to make one renewal for all processes. A session without a token
(the Client Portal's) has nothing to compare: here the moment a call began tells whether it was
refused with the old one. Threads also share a failure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from copy import copy

from config.core.errors import ProviderError


class Renewal:
    """The renewals of one caller's credentials, shared by all threads that need them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._finished_at = float("-inf")
        self._error: ProviderError | None = None
        self._thread: int | None = None

    def is_ours(self) -> bool:
        """Return whether this thread is renewing.

        A refused call during a renewal starts no other.
        """
        return self._thread == threading.get_ident()

    def run_once(self, renew: Callable[[], None], *, after: float) -> None:
        """Renew, unless a renewal ended since ``after``: then share its outcome."""
        with self._lock:
            if self._finished_at >= after:
                if self._error is not None:
                    raise copy(self._error)
                return
            self._thread = threading.get_ident()
            try:
                renew()
                self._error = None
            except ProviderError as error:
                self._error = error
                raise
            finally:
                self._thread = None
                self._finished_at = time.monotonic()
