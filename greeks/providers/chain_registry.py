"""The providers of option chains. Adding one takes a package and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from greeks.providers.chain_base import ChainProvider
from greeks.providers.registered import RegisteredProviders

Factory = TypeVar("Factory", bound=Callable[[], ChainProvider])

CHAIN_PROVIDER_MODULES = (
    "greeks.providers.upstox.provider",
    "greeks.providers.polygon.chain_provider",
    "greeks.providers.cboe.provider",
)

_providers: RegisteredProviders[ChainProvider] = RegisteredProviders(
    CHAIN_PROVIDER_MODULES, field="provider"
)
_readers: list[Callable[[str], Mapping[str, str]]] = []


def register_chain_provider(
    name: str, *, is_configured: Callable[[], bool]
) -> Callable[[Factory], Factory]:
    """Decorate the factory that builds a chain provider from the settings.

    ``name`` is the source that its chains carry, and the value of ``PolledInstrument.provider``;
    ``is_configured`` tells whether the settings have what it needs.
    """

    def decorate(factory: Factory) -> Factory:
        _providers.add(name, factory, is_configured=is_configured)
        return factory

    return decorate


def register_chain_module(module: str) -> None:
    """Add a module of a higher app, imported on first use, that registers its provider."""
    _providers.add_module(module)


def register_underlyings(read: Callable[[str], Mapping[str, str]]) -> None:
    """Let providers ask which underlyings are polled: ``read`` takes a provider's name and returns
    its keys by symbol."""
    _readers.append(read)


def underlyings_of(provider: str) -> dict[str, str]:
    """Return the provider's keys of the polled underlyings, by the desk's symbol."""
    return {symbol: key for read in _readers for symbol, key in read(provider).items()}


def configured_chain_providers() -> tuple[str, ...]:
    """Return the chain providers whose settings are complete."""
    return _providers.configured()


def open_chain_provider(name: str) -> ChainProvider:
    """Return a new chain provider, configured from settings. The caller closes it.

    Raises ``InvalidInput`` for a name that does not exist or is not configured.
    """
    return _providers.open(name)
