"""The available adapters. Add a broker with one line in ``ADAPTERS``.

A broker may be reached in several ways: IBKR by socket or Client Portal. Each is a *connection* in
its own file; ``BROKER_CONNECTIONS`` in the settings chooses one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from django.conf import settings
from django.utils.module_loading import import_string

from portfolio.brokers.base import BrokerAdapter
from portfolio.domain import Broker

#: What opens an adapter that the settings describe, by broker and connection.
ADAPTERS: Final[Mapping[tuple[Broker, str], str]] = {
    (Broker.IBKR, "portal"): "portfolio.brokers.ibkr_portal.adapter.open_portal",
    (Broker.IBKR, "socket"): "portfolio.brokers.ibkr_socket.adapter.open_socket",
    (Broker.TASTY, ""): "portfolio.brokers.tastytrade.adapter.open_tastytrade",
}


def registered_brokers() -> tuple[Broker, ...]:
    return tuple(dict.fromkeys(broker for broker, _ in ADAPTERS))


def open_adapter(broker: Broker | str) -> BrokerAdapter:
    """Return a new adapter for the broker, configured from settings. The caller closes it."""
    broker = Broker(broker)
    connection = settings.BROKER_CONNECTIONS.get(broker.value, "")
    opened: Callable[[], BrokerAdapter] = import_string(ADAPTERS[broker, connection])
    return opened()
