from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from config.core.clock import market_now
from config.core.errors import CircuitOpen, RetryableError
from config.core.live.streams import registered_streams
from greeks.calendar.sessions import forget_sessions
from greeks.domain import Contract, InstrumentKind, Quote, Snapshot
from greeks.instruments.store import resolve_instruments
from greeks.models import ExchangeSession
from greeks.providers.streamed_values import read_streamed
from portfolio.brokers.ibkr_socket.adapter import SocketAdapter, gateway_breaker
from portfolio.brokers.ibkr_socket.state import service_name
from portfolio.domain import Broker
from portfolio.models import SyncRun
from portfolio.streams.ibkr_socket import own_gateway, sync_after_outage
from portfolio.streams.publishing import market_is_open, publish
from portfolio.updates.statistics import get_queue_stats
from tests.factories import AccountFactory, PositionFactory

AAPL = Contract(
    kind=InstrumentKind.STOCK, symbol="AAPL", underlying="AAPL", multiplier=Decimal(1),
    currency="USD", aliases={"ibkr": "265598"},
)  # fmt: skip


def test_stream_idles_without_ending_where_ibkr_is_reached_another_way(settings: Settings) -> None:
    assert registered_streams()["ibkr_socket"] is own_gateway
    settings.IBKR_CONNECTION = "portal"

    async def story() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(own_gateway(), 0.2)

    asyncio.run(story())


@pytest.mark.django_db
def test_market_is_open_only_in_a_session_of_a_running_clock(settings: Settings) -> None:
    ExchangeSession.objects.all().delete()
    forget_sessions()
    assert not market_is_open()
    at = market_now()
    ExchangeSession.objects.create(
        exchange="NYSE",
        session_date=at.date(),
        opens_at=at.replace(hour=0, minute=0, second=0),
        closes_at=at.replace(hour=23, minute=59, second=59),
        kind=ExchangeSession.Kind.REGULAR,
    )
    forget_sessions()
    assert market_is_open()
    forget_sessions()
    settings.MARKET_CLOCK = datetime(2026, 1, 5, 15, tzinfo=UTC).isoformat()
    assert not market_is_open()


@pytest.mark.django_db
def test_ticks_of_held_contracts_are_kept_and_revalue_their_account() -> None:
    account = AccountFactory.create(account_id="DU1", broker=Broker.IBKR.value)
    (instrument,) = resolve_instruments([AAPL]).values()
    PositionFactory.create(account=account, instrument=instrument)
    at = market_now()
    quote = Quote(contract=AAPL, source="ibkr", as_of=at, last=Decimal("189.5"))
    publish("ibkr", [Snapshot(contract=AAPL, quote=quote, greeks=None)])
    assert get_queue_stats()["pending_updates"] == 1
    (kept,) = read_streamed("ibkr", [AAPL], newest_seconds=10)
    assert kept.quote is not None
    assert kept.quote.last == Decimal("189.5")


@pytest.mark.django_db
def test_gateway_that_is_back_has_ibkrs_accounts_read_at_once() -> None:
    AccountFactory.create(account_id="DU1", broker=Broker.IBKR.value)
    AccountFactory.create(account_id="DU2", broker=Broker.IBKR.value, enabled=False)
    AccountFactory.create(account_id="5WX1", broker=Broker.TASTY.value)
    sync_after_outage()
    assert list(SyncRun.objects.values_list("account_id", flat=True)) == ["DU1"]


@pytest.mark.django_db
def test_gateway_that_is_back_is_asked_though_its_outage_began_a_pause() -> None:
    service = service_name()
    breaker = gateway_breaker(service)
    for _ in range(5):
        breaker.record_failure()
    with pytest.raises(CircuitOpen):
        SocketAdapter(service).fetch_accounts()
    sync_after_outage()
    with pytest.raises(RetryableError, match="nobody answers"):
        SocketAdapter(service).fetch_accounts()


def test_reason_that_is_said_at_once_is_said_every_time() -> None:
    adapter = SocketAdapter(service_name())
    for _ in range(8):
        with pytest.raises(RetryableError, match="nobody answers"):
            adapter.fetch_accounts()


def test_processes_that_only_ask_load_no_client_and_no_optimiser() -> None:
    look = (
        "import django, sys; django.setup(); import config.urls\n"
        "from django.utils.module_loading import import_string\n"
        "from portfolio.brokers.registry import ADAPTERS\n"
        "[*map(import_string, ADAPTERS.values())]\n"
        "from config.core.live.streams import registered_streams; registered_streams()\n"
        "print([name for name in ('ib_async', 'scipy.optimize') if name in sys.modules])"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"}
    done = subprocess.run(
        [sys.executable, "-c", look],
        cwd=Path(__file__).resolve().parents[3],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "[]"
