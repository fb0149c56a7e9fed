"""Empty what this process keeps in memory, as a new process would start.

Every cache of a module of ours is found by its type, so a new one needs no line here. Only what is
kept in other shapes is named.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import getattr_static
from types import ModuleType
from typing import Any, Final

from cachetools import Cache

from config.core import redaction
from config.core.front_door.bodies import PreparedBodies
from config.core.http import caller
from config.core.redis.client import reset_guards
from config.core.redis.process_copies import forget_process_copies
from greeks.calendar.sessions import forget_sessions
from greeks.market.bodies import cache, lists
from greeks.sandbox import contracts, market, sessions
from portfolio.brokers.ibkr_portal import directory
from portfolio.sandbox import ledger

OWN: Final = ("config", "auth_tokens", "greeks", "portfolio", "trades")
# Slow to make, of their arguments alone: contracts and fills of a seed, holidays of years,
# certificates of a file.
LASTING: Final = (
    contracts.contract_table,
    market.simulated_engine,
    ledger.known_history,
    sessions.closed_days,
    sessions.half_days,
    caller.authorities,
)

_seen: set[str] = set()
_caches: dict[int, Callable[[], object]] = {id(kept): lambda: None for kept in LASTING}


def forget_own_memory() -> None:
    """Empty all caches of this process. What Redis and the database hold stays."""
    if len(sys.modules) != len(_seen):
        _look_at_new_modules()
    for clear in _caches.values():
        clear()
    forget_process_copies()
    reset_guards()
    forget_sessions()
    cache._patience.answered()
    lists._lists.clear()
    directory._memories.clear()
    redaction._remembered.clear()


def _look_at_new_modules() -> None:
    for name in sys.modules.keys() - _seen:
        module = sys.modules[name]
        if name.partition(".")[0] in OWN and isinstance(module, ModuleType):
            for value in vars(module).values():
                if (clear := _clear_of(value)) is not None:
                    _caches.setdefault(id(value), clear)
    _seen.clear()
    _seen.update(sys.modules)


def _clear_of(value: Any) -> Callable[[], object] | None:
    """Return what empties a cache or a function with one; None for anything else."""
    if isinstance(value, Cache | PreparedBodies):
        return value.clear
    # Looked up statically: a proxy (Django's settings, Celery's app) would answer to any name.
    is_cached = getattr_static(value, "cache_clear", None) is not None
    return value.cache_clear if is_cached else None
