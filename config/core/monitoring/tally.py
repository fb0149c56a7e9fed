"""Time the current request has spent waiting so far.

Uses a context variable, so that nothing has to be passed down. Threads working for a request add
to it if they run in a copy of its context (``contextvars.copy_context``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Tally:
    """Seconds of each query and provider call. Threads may append."""

    __slots__ = ("database", "provider")

    def __init__(self) -> None:
        self.database: list[float] = []
        self.provider: list[float] = []


_current: ContextVar[Tally | None] = ContextVar("request_tally", default=None)


def current_tally() -> Tally | None:
    """Return the current request's tally; ``None`` outside one."""
    return _current.get()


@contextmanager
def tallied() -> Iterator[Tally]:
    """Start a tally for one request."""
    tally = Tally()
    token = _current.set(tally)
    try:
        yield tally
    finally:
        _current.reset(token)
