"""Any body of a declared shape, for Hypothesis; and the real sections over scripted sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from functools import cache, partial
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from msgspec import inspect

from config.core.caching import reading
from config.core.caching.manager import CacheManager
from config.core.caching.reading import key_of
from config.core.caching.resources import Resource
from portfolio.dashboard.sections import dashboard_resources

#: What the cache writes into a body about itself.
OF_THE_CACHE = {"cached", "cache_age_seconds", "stale", "problem"}
_QUICK = settings(
    max_examples=1,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
_NUMBERS = st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: round(value, 6))


@cache
def body_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return bodies of a type as msgspec knows it."""
    return _strategy(inspect.type_info(kind))


def _strategy(info: Any) -> st.SearchStrategy[Any]:
    match info:
        case inspect.StructType():
            fields = {each.name: _strategy(each.type) for each in info.fields if each.required}
            return st.builds(info.cls, **fields)
        case inspect.ListType():
            return st.lists(_strategy(info.item_type), max_size=2)
        case inspect.DictType():
            return st.dictionaries(_words(), _strategy(info.value_type), max_size=2)
        case inspect.UnionType():
            return st.one_of(*map(_strategy, info.types))
        case inspect.LiteralType():
            return st.sampled_from(info.values)
        case inspect.StrType():
            return _words() if info.pattern is None else st.from_regex(info.pattern)
        case inspect.FloatType():
            return _NUMBERS
        case inspect.IntType():
            return st.integers(0, 10**6)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.DateType():
            return st.dates()
        case inspect.DateTimeType():
            return st.datetimes(timezones=st.just(UTC))
        case inspect.Metadata():
            return _strategy(info.type)
    raise AssertionError(f"no bodies of {info}")


def _words() -> st.SearchStrategy[str]:
    return st.text("abcXYZ 09.:/é", min_size=1, max_size=6)


def all_bodies() -> st.SearchStrategy[dict[str, Any]]:
    """Return a body for each section."""
    return st.fixed_dictionaries(
        {str(each.section): body_of(each.body_type) for each in dashboard_resources()}
    )


@cache
def plain_bodies() -> dict[str, Any]:
    """Return the simplest body of each section, for what does not depend on bodies."""
    return {
        str(each.section): find(body_of(each.body_type), lambda _: True, settings=_QUICK)
        for each in dashboard_resources()
    }


def cached_sections() -> list[str]:
    return [str(each.section) for each in dashboard_resources() if each.is_cached]


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Sources:
    """What the sections read, instead of rows: bodies, errors, and how often each was asked."""

    manager: CacheManager
    clock: Clock
    bodies: Mapping[str, Any]
    errors: dict[str, Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    #: Runs in the section's thread before it answers.
    meanwhile: Any = None

    def read(self, section: str, *_owner: Any, **_parameters: Any) -> Any:
        self.asked.append(section)
        if self.meanwhile is not None:
            self.meanwhile(section)
        if section in self.errors:
            raise self.errors[section]
        return self.bodies[section]

    def keep(self, resource: Resource, user: Any, *, ttl: float = 300.0) -> None:
        """Put a section's body into the cache, as an earlier request did."""
        self.manager.set(
            key_of(resource, resource.ask(user)),
            self.bodies[str(resource.section)],
            ttl,
            stale_seconds=resource.stale_seconds,
        )


@contextmanager
def scripted(bodies: Mapping[str, Any]) -> Iterator[Sources]:
    """Have the real, declared sections read these bodies, with an empty cache and its own clock."""
    clock = Clock()
    sources = Sources(CacheManager(clock), clock, bodies)
    sources.manager.invalidate("*")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "manager", sources.manager)
        for each in dashboard_resources():
            patch.setattr(each.fetch, partial(sources.read, str(each.section)))
            if each.fallback is not None:
                patch.setattr(each.fallback, lambda *_owner, **_parameters: None)
        yield sources


def as_json(body: Any) -> Any:
    """Return a body as a client reads it, without what the cache says about itself."""
    plain = msgspec.json.decode(msgspec.json.encode(body))
    if isinstance(plain, dict):
        return {name: value for name, value in plain.items() if name not in OF_THE_CACHE}
    return plain
