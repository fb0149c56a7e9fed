"""No cache of ours keeps what another test left in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache
from types import ModuleType
from typing import Any

import pytest
from cachetools import LRUCache, TTLCache, cached

from config.core.front_door.bodies import Body, Prepared, PreparedBodies, prepared_bodies
from config.core.redaction import redact_text, remember_secret
from greeks.market.bodies.cache import market_bodies
from greeks.minutes.stored import kept_rows
from greeks.polling.instruments import recent_instrument
from greeks.sandbox.sessions import closed_days
from portfolio.amounts import greek_number
from portfolio.book.reading import kept_books
from tests import own_memory
from tests.own_memory import forget_own_memory


@pytest.fixture
def new_module() -> Iterator[ModuleType]:
    """A module of ours that was not there when the caches were last looked for."""
    name = "greeks.module_of_a_test"
    module = sys.modules[name] = ModuleType(name)
    before = dict(own_memory._caches)
    yield module
    del sys.modules[name]
    own_memory._caches.clear()
    own_memory._caches.update(before)


def test_caches_of_a_module_that_nobody_named_are_emptied(new_module: ModuleType) -> None:
    calls: list[int] = []

    def function(number: int) -> int:
        calls.append(number)
        return number

    caches: list[Any] = [LRUCache(4), TTLCache(4, 60.0)]
    functions: list[Any] = [lru_cache(4)(function), cached(LRUCache(4))(function)]
    bodies = PreparedBodies()
    vars(new_module).update(bodies=bodies)
    vars(new_module).update({f"kept_{number}": one for number, one in enumerate(caches)})
    vars(new_module).update({f"asked_{number}": one for number, one in enumerate(functions)})
    for one in caches:
        one["name"] = 1
    bodies.put("name", 1, Prepared(Body(b"{}"), state=1))
    for again in range(2):
        for one in functions:
            assert [one(again), one(again)] == [again, again]
        forget_own_memory()
    for one in functions:
        one(1)

    assert [len(one) for one in caches] == [0, 0]
    assert len(bodies) == 0
    assert calls == [0, 0, 1, 1, 1, 1]


def test_known_caches_are_among_those_found() -> None:
    forget_own_memory()
    known = (prepared_bodies, market_bodies, kept_rows, kept_books, recent_instrument, greek_number)
    assert {id(one) for one in known} <= own_memory._caches.keys()


def test_secret_of_another_test_is_forgotten() -> None:
    remember_secret("a plain sentence")
    assert "plain" not in redact_text("a plain sentence")
    forget_own_memory()
    assert "plain" in redact_text("a plain sentence")


def test_holidays_stay() -> None:
    days = closed_days("NSE")
    forget_own_memory()
    assert closed_days("NSE") is days
