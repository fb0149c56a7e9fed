"""A trader, signed in, and scripts for both brokers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.test import Client

from auth_tokens.models import User
from config.core.errors import RetryableError
from greeks.calendar import sessions
from portfolio.brokers.base import BrokerAdapter
from portfolio.domain import Broker
from portfolio.models import SyncRun
from portfolio.sync import fetch as sync_fetch
from portfolio.sync import run as sync
from tests.factories import UserFactory
from tests.portfolio.books import FakeAdapter, FakeBroker

Brokers = dict[Broker, FakeBroker]


@pytest.fixture
def trader() -> User:
    return UserFactory()


@pytest.fixture
def signed_in(trader: User) -> Client:
    client = Client()
    client.force_login(trader)
    return client


@pytest.fixture(autouse=True)
def _calendar_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncs read the calendar outside transactions, where its copy is kept; a test is in one."""
    monkeypatch.setattr(sessions, "connection", SimpleNamespace(in_atomic_block=False))


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    """The scripts of both brokers, opened instead of the real adapters."""
    scripts = {
        Broker.IBKR: FakeBroker(),
        Broker.TASTY: FakeBroker(broker=Broker.TASTY, source="tastytrade"),
    }

    def open_adapter(broker: Broker | str) -> BrokerAdapter:
        script = scripts.get(Broker(broker))
        if script is None:
            raise RetryableError("no such broker here")
        return FakeAdapter(script)

    for module in (sync, sync_fetch):
        monkeypatch.setattr(module, "open_adapter", open_adapter)
    return scripts


@pytest.fixture
def broker(brokers: Brokers) -> FakeBroker:
    """IBKR's script."""
    return brokers[Broker.IBKR]


@pytest.fixture
def run_sync() -> Callable[[str], SyncRun]:
    def run(account_id: str) -> SyncRun:
        return sync.sync_account(account_id=account_id, trigger=SyncRun.Trigger.COMMAND)

    return run
