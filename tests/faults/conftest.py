"""The desk on the simulated providers: real adapters, real protocol, scripted faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from config.core.sandbox.server import Sandbox
from portfolio.domain import Broker
from portfolio.models import Account, SyncRun
from portfolio.sync.run import sync_account
from tests.factories import AccountFactory
from tests.faults.recovery import recovery_table

RunSync = Callable[[Account], SyncRun]


@pytest.fixture
def desk(sandbox: Sandbox, settings: Any) -> Sandbox:
    """The settings of both brokers lead to the sandbox."""
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    settings.TASTYTRADE_URL = sandbox.url("tastytrade")
    settings.TASTYTRADE_CLIENT_SECRET = "simulated-client-secret"
    settings.TASTYTRADE_REFRESH_TOKEN = "simulated-refresh-token"
    # A slow machine is not a fault; tests of silent providers set their own.
    settings.PROVIDER_TIMEOUT_SECONDS = 30.0
    settings.IBKR_PORTAL_SNAPSHOT_SECONDS = 1.0
    return sandbox


@pytest.fixture
def ibkr(desk: Sandbox) -> Account:
    return AccountFactory.create(account_id="DU1000001", broker=Broker.IBKR.value, simulated=True)


@pytest.fixture
def tastytrade(desk: Sandbox) -> Account:
    return AccountFactory.create(account_id="5WX00001", broker=Broker.TASTY.value, simulated=True)


@pytest.fixture
def run_sync() -> RunSync:
    def run(account: Account) -> SyncRun:
        return sync_account(account_id=account.pk, trigger=SyncRun.Trigger.COMMAND)

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in recovery_table():
        terminalreporter.write_line(line)
