"""A full sync over the socket stores the same book as the Client Portal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from config.core.ask import serving
from portfolio.brokers.ibkr_socket.state import service_name
from portfolio.models import Account, AccountStatus, Order, Position, QuarantinedRow, SyncRun
from tests.faults.conftest import RunSync
from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import owned
from tests.sandbox_server import GatewayHandle

pytestmark = pytest.mark.django_db

#: What the market moves between two syncs is not what is compared.
SAME = (
    "quantity",
    "multiplier",
    "avg_price",
    "right",
    "strike",
    "expiry",
    "currency",
    "underlying",
)


@pytest.fixture
def socket_owner(
    desk: Any, gateway: GatewayHandle, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The streams process's part, in a thread: the bridge to the sandbox's gateway."""
    settings.IBKR_SOCKET_HOST, settings.IBKR_SOCKET_PORT = gateway.host, gateway.port
    # However seldom a busy machine lets the thread say that it is there.
    monkeypatch.setattr(serving, "PRESENCE_SECONDS", 60.0)
    ready, stop = threading.Event(), threading.Event()

    async def run() -> None:
        async with owned(gateway.host, gateway.port, service=service_name()):
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(15)
    yield
    stop.set()
    thread.join(15)


def _book() -> dict[str, dict[str, Any]]:
    return {
        row.symbol: {name: getattr(row, name) for name in SAME} for row in Position.objects.all()
    }


def test_socket_and_portal_store_the_same_book(
    ibkr: Account, run_sync: RunSync, socket_owner: None, settings: Settings
) -> None:
    # Nothing fails here, however busy the machine is.
    settings.PROVIDER_TIMEOUT_SECONDS = 30.0
    run = run_sync(ibkr)
    assert (run.outcome, run.error) == (SyncRun.Outcome.SUCCEEDED, "")
    by_portal, portal_money = _book(), AccountStatus.objects.get()
    portal_orders = set(
        Order.objects.filter(status__in=("working", "partially_filled", "pending")).values_list(
            "broker_order_id", flat=True
        )
    )
    AccountStatus.objects.all().delete()

    settings.IBKR_CONNECTION = "socket"
    settings.BROKER_CONNECTIONS = {"IBKR": "socket"}
    run = run_sync(ibkr)

    assert (run.outcome, run.error) == (SyncRun.Outcome.SUCCEEDED, "")
    assert QuarantinedRow.objects.count() == 0
    assert _book() == by_portal
    assert Position.objects.filter(price=None).count() == 0
    options = Position.objects.exclude(right="")
    assert options.exists()
    assert set(options.values_list("greeks_source", flat=True)) == {"ibkr"}
    money = AccountStatus.objects.get()
    for name in ("net_liquidation", "cash", "buying_power", "maint_margin", "excess_liquidity"):
        value, expected = getattr(money, name), getattr(portal_money, name)
        assert float(value) == pytest.approx(float(expected), rel=5e-3), name
    assert (money.unrealized_pnl_source, money.currency) == ("ibkr", portal_money.currency)
    assert portal_orders <= set(Order.objects.values_list("broker_order_id", flat=True))
