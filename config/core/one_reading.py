"""Questions that several parts of one reading share, such as the user's accounts, asked once.

A context variable, so that nothing is passed down to where it is asked. Threads that work for the
reading share it if they run in a copy of its context (``contextvars.copy_context``). Outside a
reading every call asks anew.
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
    """Make the block one reading, or a part of the one around it."""
    if _known.get() is not None:
        yield
        return
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def once(name: Hashable, ask: Callable[[], Value]) -> Value:
    """Return what the reading knows under a name; ask for it first if nobody did."""
    known = _known.get()
    if known is None:
        return ask()
    if name not in known:
        known[name] = ask()
    return cast("Value", known[name])
