"""A token source that does what a test scripts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache

from auth_tokens.broker_tokens.sources import (
    Attempt,
    HeldToken,
    ObtainedToken,
    TryLimit,
    fingerprint,
)
from config.core.clock import now
from config.core.errors import ProviderError

PROVIDER = "scripted"
UNLIMITED = (TryLimit(10_000, 60.0),)


class ScriptedSource:
    """Counts requests. Each try raises ``error`` and calls ``meanwhile``."""

    longest_pause = 1800.0
    keeps_ready = True

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.limits: tuple[TryLimit, ...] = UNLIMITED
        self.configured = True
        self.secret = "of-today"
        self.obtained = 0
        self.error: ProviderError | None = None
        self.meanwhile: Callable[[Attempt], None] = lambda _: None
        self.lifetime: timedelta | None = timedelta(hours=1)
        self.due = False
        self.closed: datetime | None = None
        self.refused: list[str] = []
        self._lock = threading.Lock()

    def is_configured(self) -> bool:
        return self.configured

    def credentials(self) -> str:
        return fingerprint(PROVIDER, self.secret)

    def closed_until(self, at: datetime) -> datetime | None:
        return self.closed

    def is_due(self, held: HeldToken, at: datetime) -> bool:
        return self.due

    def obtain(self, attempt: Attempt) -> ObtainedToken:
        attempt.spend_try()
        with self._lock:
            self.obtained += 1
            number = self.obtained
            self.refused.append(attempt.refused)
        self.meanwhile(attempt)
        if self.error is not None:
            raise self.error
        ends_at = None if self.lifetime is None else now() + self.lifetime
        return ObtainedToken(text=f"token-{number}", expires_at=ends_at, source="scripted")


@lru_cache(maxsize=1)
def scripted_source() -> ScriptedSource:
    return ScriptedSource()
