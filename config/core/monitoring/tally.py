"""What the request at hand has waited for so far.

A context variable, so that nothing is passed down to where time is spent. Threads that work for a
request count into it if they run in a copy of its context (``contextvars.copy_context``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Tally:
    """Seconds of each query and each provider call. Appending is safe from several threads."""

    __slots__ = ("database", "provider")

    def __init__(self) -> None:
        self.database: list[float] = []
        self.provider: list[float] = []


_current: ContextVar[Tally | None] = ContextVar("request_tally", default=None)


def current_tally() -> Tally | None:
    """Return the tally of the request being answered; ``None`` outside one."""
    return _current.get()


@contextmanager
def tallied() -> Iterator[Tally]:
    """Open a tally for one request."""
    tally = Tally()
    token = _current.set(tally)
    try:
        yield tally
    finally:
        _current.reset(token)
