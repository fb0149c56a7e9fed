"""One-time codes (RFC 6238), corrected for a log-in site's clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import pyotp

from config.core.clock import now
from config.core.redaction import remember_secret

#: A code with fewer seconds left is not typed: it could expire on its way.
SHORTEST_LIFE: Final = 5.0
#: A ``Date`` further off than this is a fault, not a clock, and is ignored.
LARGEST_SKEW: Final = timedelta(hours=12)


class OneTimeCodes:
    """Makes codes of one secret, one per window. Raises ``ValueError`` on a bad secret.

    ``pause`` waits for that many seconds; it is called in steps of at most a second.
    """

    def __init__(
        self,
        secret: str,
        *,
        pause: Callable[[float], None],
        clock: Callable[[], datetime] = now,
        interval: int = 30,
    ) -> None:
        self._totp = pyotp.TOTP(secret.replace(" ", "").upper(), interval=interval)
        self._totp.at(0)
        self._pause = pause
        self._clock = clock
        self._ahead = timedelta(0)
        self._last_window = -1

    def set_clock_by(self, date_header: str) -> None:
        """Set the site's time from the ``Date`` of an answer that just arrived."""
        try:
            there = parsedate_to_datetime(date_header)
        except (TypeError, ValueError):
            return
        if there.tzinfo is None:
            there = there.replace(tzinfo=UTC)
        # The header drops fractions of a second, so this is never ahead of the site: a code of a
        # window that has not begun there is wrong, one of the window before is still accepted.
        ahead = there - self._clock()
        self._ahead = ahead if abs(ahead) <= LARGEST_SKEW else timedelta(0)

    def next_code(self) -> str:
        """Return a code with enough time left, from an unused window. May wait for it."""
        while True:
            moment = (self._clock() + self._ahead).timestamp()
            window, passed = divmod(moment, self._totp.interval)
            left = self._totp.interval - passed
            if left >= min(SHORTEST_LIFE, self._totp.interval / 2) and window > self._last_window:
                self._last_window = int(window)
                code = self._totp.at(int(moment))
                remember_secret(code)
                return code
            self._pause(min(1.0, left + 0.01))
