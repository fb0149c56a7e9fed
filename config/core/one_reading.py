"""Answer once what several parts of one reading ask, such as the user's accounts.

Uses a context variable, so that nothing has to be passed down. Threads working for the reading
share it if they run in a copy of its context (``contextvars.copy_context``). Outside a reading
every call asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

Value = TypeVar("Value")

_known: ContextVar[dict[Hashable, Any] | None] = ContextVar("one_reading", default=None)


@contextmanager
def one_reading() -> Iterator[None]:
    """Make the block one reading, or part of the enclosing one."""
    if _known.get() is not None:
        yield
        return
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def once(name: Hashable, ask: Callable[[], Value]) -> Value:
    """Return the reading's answer of this name, asking first if needed."""
    known = _known.get()
    if known is None:
        return ask()
    if name not in known:
        known[name] = ask()
    return cast("Value", known[name])
