"""The providers of option chains. Adding one takes a package and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from greeks.providers.chain_base import ChainProvider
from greeks.providers.registered import RegisteredProviders

CHAIN_PROVIDER_MODULES = (
    "greeks.providers.upstox.provider",
    "greeks.providers.polygon.chain_provider",
    "greeks.providers.cboe.provider",
)

_providers: RegisteredProviders[ChainProvider] = RegisteredProviders(
    CHAIN_PROVIDER_MODULES, field="provider"
)
register_chain_provider = _providers.register
#: Adds a module of a higher app.
register_chain_module = _providers.add_module
configured_chain_providers = _providers.configured
open_chain_provider = _providers.open

_readers: list[Callable[[str], Mapping[str, str]]] = []


def register_underlyings(read: Callable[[str], Mapping[str, str]]) -> None:
    """Let providers ask which underlyings are polled: ``read`` takes a provider's name and returns
    its keys by symbol."""
    _readers.append(read)


def underlyings_of(provider: str) -> dict[str, str]:
    """Return the provider's keys of the polled underlyings, by the desk's symbol."""
    return {symbol: key for read in _readers for symbol, key in read(provider).items()}
