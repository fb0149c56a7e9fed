"""Which adapters exist. A broker is added by one file and one line in ``BROKER_MODULES``."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module

from portfolio.brokers.base import BrokerAdapter
from portfolio.domain import Broker

AdapterFactory = Callable[[], BrokerAdapter]

BROKER_MODULES = ("portfolio.brokers.ibkr_portal", "portfolio.brokers.tastytrade")

_factories: dict[Broker, AdapterFactory] = {}


def register_broker(broker: Broker) -> Callable[[AdapterFactory], AdapterFactory]:
    """Decorate the factory that builds a broker's adapter from the settings."""

    def decorate(factory: AdapterFactory) -> AdapterFactory:
        if broker in _factories and _factories[broker] is not factory:
            raise ValueError(f"broker {broker} is registered twice")
        _factories[broker] = factory
        return factory

    return decorate


@lru_cache(maxsize=1)
def _load_modules() -> None:
    for module in BROKER_MODULES:
        import_module(module)


def registered_brokers() -> tuple[Broker, ...]:
    _load_modules()
    return tuple(_factories)


def open_adapter(broker: Broker | str) -> BrokerAdapter:
    """A new adapter for the broker, configured from settings. The caller closes it."""
    _load_modules()
    return _factories[Broker(broker)]()
