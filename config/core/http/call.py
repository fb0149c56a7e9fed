"""One call to a provider, from its first try to its deadline."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from config.core.errors import CircuitOpen, RateLimitedError, RetryableError
from config.core.http.responses import Answer
from config.core.redaction import is_secret_key


@dataclass(frozen=True, slots=True)
class Call:
    """One request, with the time (monotonic) after which it is not tried again."""

    method: str
    path: str
    headers: dict[str, str]
    arguments: dict[str, Any]
    read: Callable[[Answer], Any]
    maximum_bytes: int
    deadline: float

    @property
    def is_conditional(self) -> bool:
        return "If-None-Match" in self.headers

    def wait_before_retry(self, error: Exception) -> bool | float:
        """Tell stamina whether to try again, or after how many seconds of our own."""
        if isinstance(error, RateLimitedError):
            wait = error.retry_after if error.retry_after is not None else 1.0
            wait += random.uniform(0.0, 0.1)  # noqa: S311 - spreads callers, protects nothing
            return wait if time.monotonic() + wait < self.deadline else False
        if isinstance(error, CircuitOpen):
            return False
        return isinstance(error, RetryableError) and time.monotonic() < self.deadline


def secret_values(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Return values sent under secret names, so that echoes of them can be removed."""
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            yield from secret_values(value)
        elif isinstance(value, str) and is_secret_key(name):
            yield value
            yield value.rpartition(" ")[2]
