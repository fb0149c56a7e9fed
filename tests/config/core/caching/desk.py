"""A small declared desk for tests of the cache: a counted source, and a clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from config.core.caching import reading, resources
from config.core.caching.changes import Change
from config.core.caching.manager import CacheManager
from config.core.caching.resources import Question, Resource, declare_resource


class Clock:
    """Seconds that pass when told."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Source:
    """What a resource reads: counts its readings, and fails when told."""

    def __init__(self) -> None:
        self.value: Any = "first"
        self.readings = 0
        self.error: Exception | None = None
        self.meanwhile: Callable[[], object] = lambda: None

    def __call__(self, **parameters: Any) -> Any:
        self.readings += 1
        if self.error is not None:
            raise self.error
        value = self.value
        self.meanwhile()
        return value


source = Source()


def fetch(*_owner: Any, **parameters: Any) -> Any:
    return source(**parameters)


def scope_of(user: Any) -> str:
    return str(user)


ANY = Any


def a_resource(**changes: Any) -> Resource:
    """Return a public resource over our source, ``gex:{symbol}:{date}`` by default."""
    usual: dict[str, Any] = {
        "name": "gex",
        "path": "/api/gex",
        "fetch": f"{__name__}.fetch",
        "shape": f"{__name__}.ANY",
        "parameters": ("symbol",),
        "is_public": True,
        "key": "gex:{symbol}:{date}",
        "ttl": 300,
    }
    return Resource(**usual | changes)


def curve(name: str = "analytics:pnl", **changes: Any) -> Resource:
    """Return a private resource of an account and a range."""
    usual: dict[str, Any] = {
        "name": name,
        "path": f"/api/{name}",
        "parameters": ("account_id", "start", "end"),
        "is_public": False,
        "scope": f"{__name__}.scope_of",
        "key": name + ":{account_id}:{date_range}",
        "ttl": 900,
        "changed_by": frozenset({Change.POSITION_UPDATE, Change.EXECUTION_UPDATE}),
    }
    return a_resource(**usual | changes)


def performance(**changes: Any) -> Resource:
    """Return a private resource of a range only."""
    usual: dict[str, Any] = {
        "name": "performance:sources",
        "parameters": ("start", "end"),
        "key": "performance:sources:{date_range}",
        "ttl": 600,
        "changed_by": frozenset({Change.SIGNAL_UPDATE}),
    }
    return curve(**usual | changes)


@contextmanager
def declared(*wanted: Resource) -> Iterator[tuple[CacheManager, Clock, Source]]:
    """Declare just these; give the cache's manager a clock, and everybody a new source."""
    clock = Clock()
    manager = CacheManager(clock)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resources, "_resources", {})
        patch.setattr(reading, "manager", manager)
        patch.setattr(f"{__name__}.source", Source())
        for each in wanted:
            declare_resource(each)
        yield manager, clock, source


def asked(resource: Resource, user: Any = None, **parameters: Any) -> Question:
    return Question(user, dict.fromkeys(resource.parameters) | parameters)


def symbols_to_warm() -> list[Question]:
    return [Question(None, {"symbol": symbol, "date": None}) for symbol in ("SPY", "QQQ")]


def accounts_to_warm() -> list[Question]:
    return [Question("+U1+", {"account_id": "U1", "start": None, "end": None})]


def nothing_to_say() -> list[Question]:
    raise LookupError("no database")


async def inline(call: Callable[[], Any]) -> Any:
    """Run what a warmer would run in a thread."""
    return call()
