"""The providers' servers as a page shows them: breaker state and budget use.

Apps register theirs in ``AppConfig.ready()`` by dotted path, so a client's module loads only when
the page is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.utils.module_loading import import_string
from redis.exceptions import RedisError

from config.core.health import heartbeat_age
from config.core.http.breaker import BreakerState, CircuitBreaker
from config.core.http.budget import CallBudget


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderServer:
    """A server the desk calls, as its ``HttpCaller`` counts it."""

    url: str
    budgets: Sequence[CallBudget] = ()


#: Type of the registered functions; ``None`` if the provider is not set up.
Describe = Callable[[], ProviderServer | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """All processes' calls in the current window; ``used`` is ``None`` if Redis is down."""

    limit: int
    seconds: float
    used: int | None

    @property
    def low(self) -> float:
        """Return the use up to which calls are plentiful; the page's meter then changes colour."""
        return 0.6 * self.limit

    @property
    def high(self) -> float:
        """Return the use from which calls have to wait."""
        return 0.9 * self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """State of calls to a provider. ``answered_seconds_ago`` is ``None`` if unknown."""

    provider: str
    is_set_up: bool
    breaker: BreakerState | None = None
    budgets: tuple[BudgetState, ...] = ()
    answered_seconds_ago: float | None = None


_servers: dict[str, str] = {}


def server_name(provider: str, url: str) -> str:
    """Return the name by which calls, pauses and the breaker count a server.

    What we learned about a server holds for it alone: a gateway that moved, or a new sandbox,
    starts with a clean slate.
    """
    return f"{provider}@{urlsplit(url).netloc}"


def register_server(provider: str, path: str) -> None:
    """Register the function that describes a provider's server, by dotted path."""
    if _servers.setdefault(provider, path) != path:
        raise ValueError(f"server of {provider} is registered twice")


def server_states() -> tuple[ServerState, ...]:
    """Return all registered providers, by name. Never raises: without Redis less is known."""
    described: list[tuple[str, Describe]] = [
        (provider, import_string(path)) for provider, path in sorted(_servers.items())
    ]
    return tuple(_state(provider, describe()) for provider, describe in described)


def _state(provider: str, server: ProviderServer | None) -> ServerState:
    if server is None:
        return ServerState(provider=provider, is_set_up=False)
    return ServerState(
        provider=provider,
        is_set_up=True,
        breaker=CircuitBreaker(server_name(provider, server.url)).state(),
        budgets=tuple(
            BudgetState(limit=budget.limit, seconds=budget.seconds, used=budget.used())
            for budget in server.budgets
        ),
        answered_seconds_ago=_answered(provider),
    )


def _answered(provider: str) -> float | None:
    try:
        return heartbeat_age(f"provider.{provider}")
    except RedisError:
        return None
