"""The current actor: lets a signal receiver name the person behind a change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from auth_tokens.models import User

_actor: ContextVar[Callable[[], User | None] | None] = ContextVar("actor", default=None)


def current_actor() -> User | None:
    """Return the person acting, or ``None`` for the system itself (a task, a command)."""
    find = _actor.get()
    return find() if find is not None else None


@contextmanager
def acting_as(actor: User | Callable[[], User | None] | None) -> Iterator[None]:
    """Name the person behind the changes inside. A callable is called only if needed."""
    known = actor if callable(actor) else lambda: actor
    token = _actor.set(known)
    try:
        yield
    finally:
        _actor.reset(token)
