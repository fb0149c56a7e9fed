"""The desk's resources. The app that owns one declares it once, in ``AppConfig.ready()``.

The dashboard, the individual endpoints, the cache, the warmer and invalidation all follow from the
declaration::

    declare_resource(
        Resource(
            name="analytics:pnl",
            path="/api/analytics/pnl",
            section="pnl_curve",
            parameters=("account_id", "start", "end"),
            fetch="trades.analytics.curve.read_pnl_curve",
            shape="trades.analytics.shapes.PnlCurve",
            complete="trades.analytics.ranges.complete_range",
            scope="portfolio.accounts.scopes.scope_of",
            key="analytics:pnl:{account_id}:{date_range}",
            ttl=900,
            changed_by=frozenset({Change.POSITION_UPDATE, Change.EXECUTION_UPDATE}),
        )
    )

Functions are named by dotted path, so that declaring imports nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from django.utils.module_loading import import_string

from config.core.caching.changes import Change
from config.core.caching.config import cache_config
from config.core.caching.entry import CachedResult
from config.core.caching.keys import fields_of


@dataclass(frozen=True, slots=True)
class Question:
    """A user's request for a resource; ``parameters`` are those of its ``fetch``."""

    user: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One answer of the API.

    A private resource's functions take the user first; then come the parameters, by name::

        fetch(user, *, account_id: str | None, start: date, end: date) -> body
        complete(user, *, account_id=None, start=None, end=None) -> dict of all parameters
        scope(user) -> str
        fallback(user, *, account_id: str | None, …) -> CachedResult or None
        warm() -> iterable of Question

    Those of a public one take no user.
    """

    name: str
    #: The address of the individual endpoint.
    path: str
    #: Reads the body. Raises an ``ApplicationError`` if it cannot; errors are never cached.
    fetch: str
    #: The body's type, as msgspec converts it: a ``Shape``, or a module's name for a list of one.
    shape: str
    #: Query parameters: ``account_id``, ``symbol`` (identifiers), ``start``, ``end`` (days).
    parameters: tuple[str, ...] = ()
    #: Fills in missing parameters, so that equal questions have equal keys. Optional.
    complete: str | None = None
    is_public: bool = False
    #: Whose answer it is: users of equal scope get the same one. Cached private resources need it.
    #: It names the accounts that the answer is made of (``scope_of_accounts``), or begins with ~.
    scope: str | None = None
    #: The key: ``gex:{symbol}:{date}``; ``{date_range}`` is made of start and end. ``None``: never
    #: cached nor prepared, always read from the database.
    key: str | None = None
    #: Seconds that an answer stays fresh, unless ``CACHE_TTLS`` says otherwise for its kind.
    ttl: int | None = None
    #: Seconds after that during which an answer is served, marked stale, if the fetch fails.
    stale_seconds: int = 0
    #: Finds an older answer if the cache has none and the fetch fails. Optional.
    fallback: str | None = None
    #: Changes that invalidate its answers.
    changed_by: frozenset[Change] = frozenset()
    #: Lists the questions to warm. Optional.
    warm: str | None = None
    #: Called with each newly warmed body. Optional.
    prepared: str | None = None
    #: Needed for trading: warmed first while the market is open.
    is_critical: bool = False
    #: Seconds that a fetch may take.
    time_limit: float = 2.0
    #: Its section of the dashboard, if it is one.
    section: str | None = None
    #: Its app serves the address with a view of its own, which takes more parameters.
    has_own_view: bool = False

    def __post_init__(self) -> None:
        if (self.key is None) != (self.ttl is None):
            raise ValueError(f"{self.name}: a key and a ttl come together")
        if self.is_cached and not self.is_public and self.scope is None:
            raise ValueError(f"{self.name}: a cached private resource needs a scope")
        if not self.is_cached and (
            self.changed_by or self.warm or self.prepared or self.stale_seconds
        ):
            raise ValueError(f"{self.name}: what is not cached is not prepared nor invalidated")
        if missing := self.key_fields - self._known_fields:
            raise ValueError(f"{self.name}: the key names no parameter: {', '.join(missing)}")

    @property
    def is_cached(self) -> bool:
        return self.key is not None

    @property
    def fresh_seconds(self) -> float:
        """Return how long an answer stays fresh; 0 if it is never cached."""
        if self.key is None or self.ttl is None:
            return 0.0
        return float(cache_config().ttl.get(self.key.partition(":")[0], self.ttl))

    @cached_property
    def key_fields(self) -> frozenset[str]:
        """Return the fields of the key's pattern."""
        return fields_of(self.key or "")

    @property
    def _known_fields(self) -> frozenset[str]:
        ranged = {"date_range"} if {"start", "end"} <= set(self.parameters) else set()
        # The answer's day is filled in, not a parameter.
        return frozenset(self.parameters) | ranged | {"date"}

    @cached_property
    def body_type(self) -> Any:
        return import_string(self.shape)

    def ask(self, user: Any = None, **given: Any) -> Question:
        """Return the question with all its parameters; ``None`` counts as not given."""
        asked = {name: value for name, value in given.items() if value is not None}
        owner = None if self.is_public else user
        if self.complete is not None:
            complete = cast("Callable[..., Mapping[str, Any]]", import_string(self.complete))
            return Question(owner, complete(*self._owner(owner), **asked))
        return Question(owner, dict.fromkeys(self.parameters) | asked)

    def read(self, question: Question) -> Any:
        """Return the body, straight from its source."""
        return import_string(self.fetch)(*self._owner(question.user), **question.parameters)

    def fall_back(self, question: Question) -> CachedResult[Any] | None:
        """Return an older answer from elsewhere, if one is known."""
        if self.fallback is None:
            return None
        find = cast("Callable[..., CachedResult[Any] | None]", import_string(self.fallback))
        return find(*self._owner(question.user), **question.parameters)

    def scope_of(self, user: Any) -> str:
        """Return whose answer the user gets; empty for a public resource."""
        if self.scope is None:
            return ""
        scope = cast("Callable[[Any], str]", import_string(self.scope))(user)
        if "+" not in scope and not scope.startswith("~"):
            raise ValueError(
                f"{self.name}: the scope {scope!r} names no accounts, nor begins with ~"
            )
        return scope

    def questions_to_warm(self) -> Iterable[Question]:
        """Return the questions to warm."""
        if self.warm is None:
            return ()
        return cast("Callable[[], Iterable[Question]]", import_string(self.warm))()

    def note_prepared(self, body: Any) -> None:
        """Call the declared listener with a newly warmed body."""
        if self.prepared is not None:
            import_string(self.prepared)(body)

    def _owner(self, user: Any) -> tuple[Any, ...]:
        return () if self.is_public else (user,)


_resources: dict[str, Resource] = {}


def declare_resource(resource: Resource) -> None:
    """Declare a resource; its name, address and section must be unique."""
    for other in _resources.values():
        if other == resource:
            return
        for what in ("name", "path", "section"):
            value = getattr(resource, what)
            if value is not None and getattr(other, what) == value:
                raise ValueError(f"the {what} {value} is declared twice")
    _resources[resource.name] = resource


def declared_resources() -> tuple[Resource, ...]:
    """Return all resources in the order of declaration."""
    return tuple(_resources.values())


def resource_named(name: str) -> Resource:
    """Return a resource. Raises ``KeyError`` if it is not declared."""
    return _resources[name]
