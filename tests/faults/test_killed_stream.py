"""A streams process is killed: its last values stay with their age, and another takes over."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.core.redis.locks import subject_is_locked
from config.core.sandbox.server import Sandbox
from greeks.domain import Contract
from greeks.providers.streamed_values import read_streamed

pytestmark = [pytest.mark.processes]
SYMBOLS = ("SPY", "QQQ", "AAPL")


def start(sandbox: Sandbox) -> subprocess.Popen[str]:
    """Return a streams process that owns the stream and has stored every symbol."""
    token = sandbox.applications["dxlink"].state.tokens.grant()
    url = sandbox.url("dxlink").replace("http", "ws", 1)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.killed_stream", url, token, *SYMBOLS],
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "stored\n"
    return process


def contracts(sandbox: Sandbox) -> list[Contract]:
    return [sandbox.market.underlying(symbol) for symbol in SYMBOLS]


@pytest.mark.usefixtures("valkey")
def test_killed_stream_leaves_its_last_values_and_its_place(sandbox: Sandbox) -> None:
    first = start(sandbox)
    try:
        first.kill()
        first.wait()
        last = read_streamed("tastytrade", contracts(sandbox), newest_seconds=60)
        assert [snapshot.contract.symbol for snapshot in last] == list(SYMBOLS)
        assert subject_is_locked("stream.dxlink")

        deadline = time.monotonic() + 10
        while subject_is_locked("stream.dxlink"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # Nobody streams: the values are as they were, and too old for who wants them fresh.
        assert read_streamed("tastytrade", contracts(sandbox), newest_seconds=60) == last
        assert read_streamed("tastytrade", contracts(sandbox), newest_seconds=0.5) == []

        second = start(sandbox)
        second.kill()
        second.wait()
        newer = read_streamed("tastytrade", contracts(sandbox), newest_seconds=60)
        for old, new in zip(last, newer, strict=True):
            assert old.quote is not None
            assert new.quote is not None
            assert new.quote.as_of > old.quote.as_of
    finally:
        first.kill()
        first.wait()
