"""The market-data providers, in the order they are asked.

Adding one takes one file and one line in ``PROVIDER_MODULES``.
"""

from __future__ import annotations

from greeks.providers.base import DailyClosesProvider, SnapshotProvider
from greeks.providers.registered import RegisteredProviders

PROVIDER_MODULES = ("greeks.providers.polygon.provider", "greeks.providers.upstox.provider")

_providers: RegisteredProviders[SnapshotProvider] = RegisteredProviders(
    PROVIDER_MODULES, field="source"
)
register_provider = _providers.register
registered_providers = _providers.names
configured_providers = _providers.configured
open_provider = _providers.open


def open_daily_closes_provider() -> DailyClosesProvider | None:
    """Return the first configured provider with daily closes; ``None`` if there is none."""
    for name in configured_providers():
        provider = open_provider(name)
        if isinstance(provider, DailyClosesProvider):
            return provider
        provider.close()
    return None
