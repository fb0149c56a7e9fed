"""Which market-data providers exist, in the order in which they are asked.

A provider is added by one file and one line in ``PROVIDER_MODULES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

from config.core.errors import InvalidInput
from greeks.providers.base import DailyClosesProvider, SnapshotProvider

ProviderFactory = Callable[[], SnapshotProvider]

PROVIDER_MODULES = ("greeks.providers.polygon.provider",)


@dataclass(frozen=True, slots=True)
class _Registered:
    factory: ProviderFactory
    is_configured: Callable[[], bool]


_providers: dict[str, _Registered] = {}


def register_provider(
    name: str, *, is_configured: Callable[[], bool]
) -> Callable[[ProviderFactory], ProviderFactory]:
    """Decorate the factory that builds a provider from the settings.

    ``name`` is the source that its numbers carry; ``is_configured`` says whether the settings
    hold what it needs.
    """

    def decorate(factory: ProviderFactory) -> ProviderFactory:
        registered = _Registered(factory, is_configured)
        if _providers.setdefault(name, registered).factory is not factory:
            raise ValueError(f"provider {name} is registered twice")
        return factory

    return decorate


@lru_cache(maxsize=1)
def _load_modules() -> None:
    for module in PROVIDER_MODULES:
        import_module(module)


def registered_providers() -> tuple[str, ...]:
    _load_modules()
    return tuple(_providers)


def configured_providers() -> tuple[str, ...]:
    """The providers that the settings give what they need, best first."""
    _load_modules()
    return tuple(name for name, provider in _providers.items() if provider.is_configured())


def open_provider(name: str) -> SnapshotProvider:
    """A new provider, configured from settings. The caller closes it.

    Raises ``InvalidInput`` for a name that does not exist or is not configured.
    """
    if name not in configured_providers():
        known = ", ".join(configured_providers()) or "none"
        raise InvalidInput(f"source: {name[:32]!r} is not set up here (set up: {known}).")
    return _providers[name].factory()


def open_daily_closes_provider() -> DailyClosesProvider | None:
    """The first configured provider that knows daily closes; ``None`` when there is none."""
    for name in configured_providers():
        provider = open_provider(name)
        if isinstance(provider, DailyClosesProvider):
            return provider
        provider.close()
    return None
