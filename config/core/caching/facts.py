"""The cache hits and misses of one request.

The response monitor begins a record, reads through the cache add to it, and the monitor and the
dashboard's metadata read it. A pool's thread takes part if the work runs in a copy of the context
(``contextvars.copy_context().run``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class CacheFacts:
    """Names of resources in the order they were read. Threads may append."""

    hits: list[str] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)


_current: ContextVar[CacheFacts | None] = ContextVar("cache_facts", default=None)


@contextmanager
def recording_cache_facts() -> Iterator[CacheFacts]:
    """Record the block's hits and misses, separately from any enclosing record."""
    facts = CacheFacts()
    token = _current.set(facts)
    try:
        yield facts
    finally:
        _current.reset(token)


def note_cache_hit(name: str) -> None:
    """Record a hit."""
    if (facts := _current.get()) is not None:
        facts.hits.append(name)


def note_cache_miss(name: str) -> None:
    """Record a miss."""
    if (facts := _current.get()) is not None:
        facts.misses.append(name)
