"""Sessions are kept awake without a sync, once for all processes, and failures are survived."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import LazySettings

from config.core.health import heartbeat_age
from config.core.live import streams
from config.core.redis.locks import subject_lock
from config.core.sandbox.server import Sandbox
from portfolio.domain import Broker
from portfolio.streams.sessions import keep_sessions_once
from tests.factories import AccountFactory


@pytest.mark.django_db(transaction=True)
def test_gateway_is_tickled_for_an_enabled_account(
    sandbox: Sandbox, settings: LazySettings
) -> None:
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    AccountFactory(broker=Broker.IBKR.value)
    AccountFactory(broker=Broker.TASTY.value)
    assert keep_sessions_once() == {"IBKR": "kept"}
    assert sandbox.faults.requests(server="ibkr_portal", path="/tickle$")
    called = len(sandbox.faults.requests())
    assert keep_sessions_once() == {"IBKR": "kept"}
    assert len(sandbox.faults.requests()) == called, "a second tickle within fifty seconds"


@pytest.mark.django_db(transaction=True)
def test_no_account_means_no_call(sandbox: Sandbox, settings: LazySettings) -> None:
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    AccountFactory(broker=Broker.IBKR.value, enabled=False)
    assert keep_sessions_once() == {}
    assert not sandbox.faults.requests()


@pytest.mark.django_db(transaction=True)
def test_another_process_that_keeps_the_session_is_left_to_it(
    sandbox: Sandbox, settings: LazySettings
) -> None:
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    AccountFactory(broker=Broker.IBKR.value)
    with subject_lock("session.IBKR", seconds=10):
        assert keep_sessions_once() == {"IBKR": "held"}


@pytest.mark.django_db(transaction=True)
def test_gateway_that_is_down_is_named_and_not_raised(settings: LazySettings) -> None:
    settings.IBKR_PORTAL_URL = "http://127.0.0.1:9/v1/api"
    AccountFactory(broker=Broker.IBKR.value)
    assert keep_sessions_once() == {"IBKR": "provider_unreachable"}


@pytest.mark.anyio
async def test_failing_stream_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    calls = 0
    finished = asyncio.Event()

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    async def stream() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            finished.set()
            await asyncio.Event().wait()
        raise ConnectionError("gone")

    monkeypatch.setattr("config.core.live.streams.asyncio.sleep", wait)
    running = asyncio.create_task(streams.run_for_ever("test", stream))
    await finished.wait()
    running.cancel()
    assert calls == 3
    assert waits[0] <= 1.5
    assert waits[1] <= 3.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.processes
@pytest.mark.usefixtures("valkey")
def test_command_beats_and_stops_on_term() -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_streams"],
        cwd=Path(__file__).resolve().parents[3],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "sessions" in process.stdout.readline()
        deadline = time.monotonic() + 20
        while heartbeat_age("streams") is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert heartbeat_age("streams") is not None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()
