"""The available adapters. Add a broker with one file and one line in ``BROKER_MODULES``.

A broker may be reached in several ways: IBKR by socket or Client Portal. Each is a *connection* in
its own file; ``BROKER_CONNECTIONS`` in the settings chooses one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module

from django.conf import settings

from portfolio.brokers.base import BrokerAdapter
from portfolio.domain import Broker

AdapterFactory = Callable[[], BrokerAdapter]

BROKER_MODULES = (
    "portfolio.brokers.ibkr_portal.adapter",
    "portfolio.brokers.ibkr_socket.adapter",
    "portfolio.brokers.tastytrade.adapter",
)

_factories: dict[Broker, dict[str, AdapterFactory]] = {}


def register_broker(
    broker: Broker, *, connection: str = ""
) -> Callable[[AdapterFactory], AdapterFactory]:
    """Decorate the factory that builds a broker's adapter from the settings."""

    def decorate(factory: AdapterFactory) -> AdapterFactory:
        known = _factories.setdefault(broker, {})
        if known.setdefault(connection, factory) is not factory:
            raise ValueError(f"broker {broker} {connection} is registered twice")
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
    """Return a new adapter for the broker, configured from settings. The caller closes it."""
    _load_modules()
    broker = Broker(broker)
    connection = settings.BROKER_CONNECTIONS.get(broker.value, "")
    return _factories[broker][connection]()
