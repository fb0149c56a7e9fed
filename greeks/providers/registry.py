"""The market-data providers, in the order they are asked.

Adding one takes one file and one line in ``PROVIDER_MODULES``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from greeks.providers.base import DailyClosesProvider, SnapshotProvider
from greeks.providers.registered import RegisteredProviders

Factory = TypeVar("Factory", bound=Callable[[], SnapshotProvider])

PROVIDER_MODULES = ("greeks.providers.polygon.provider", "greeks.providers.upstox.provider")

_providers: RegisteredProviders[SnapshotProvider] = RegisteredProviders(
    PROVIDER_MODULES, field="source"
)


def register_provider(
    name: str, *, is_configured: Callable[[], bool]
) -> Callable[[Factory], Factory]:
    """Decorate the factory that builds a provider from the settings.

    ``name`` is the source that its numbers carry; ``is_configured`` tells whether the settings
    have what it needs.
    """

    def decorate(factory: Factory) -> Factory:
        _providers.add(name, factory, is_configured=is_configured)
        return factory

    return decorate


def registered_providers() -> tuple[str, ...]:
    return _providers.names()


def configured_providers() -> tuple[str, ...]:
    """Return the providers whose settings are complete, best first."""
    return _providers.configured()


def open_provider(name: str) -> SnapshotProvider:
    """Return a new provider, configured from settings. The caller closes it.

    Raises ``InvalidInput`` for a name that does not exist or is not configured.
    """
    return _providers.open(name)


def open_daily_closes_provider() -> DailyClosesProvider | None:
    """Return the first configured provider with daily closes; ``None`` if there is none."""
    for name in configured_providers():
        provider = open_provider(name)
        if isinstance(provider, DailyClosesProvider):
            return provider
        provider.close()
    return None
