"""The market's clock: the wall's, or where a recorded chain's was frozen and stepped to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.conf import LazySettings

from config.core import clock
from config.core.clock import market_clock_is_frozen, market_now, now, tell_market_clock
from config.core.redis.process_copies import forget_process_copies
from config.core.sandbox.server import Sandbox
from greeks.sandbox.market import Market
from tests.servers.valkey import RunningValkey

FROZEN = datetime(2026, 8, 22, 13, 50, 9, tzinfo=UTC)


def test_market_time_is_wall_time_unless_frozen() -> None:
    assert abs(market_now() - now()) < timedelta(seconds=1)
    assert not market_clock_is_frozen()


@pytest.mark.usefixtures("valkey")
def test_frozen_clock_stands_at_its_setting_in_its_own_zone(settings: LazySettings) -> None:
    settings.MARKET_CLOCK = "2026-08-22T09:50:09-04:00"
    assert market_now() == FROZEN
    assert market_clock_is_frozen()


@pytest.mark.usefixtures("valkey")
def test_every_process_hears_where_the_clock_was_stepped(settings: LazySettings) -> None:
    settings.MARKET_CLOCK = FROZEN.isoformat()
    tell_market_clock(FROZEN + timedelta(hours=1))
    assert market_now() == FROZEN + timedelta(hours=1)


@pytest.mark.usefixtures("valkey")
def test_step_of_an_earlier_recording_does_not_turn_the_clock_back(settings: LazySettings) -> None:
    settings.MARKET_CLOCK = FROZEN.isoformat()
    tell_market_clock(FROZEN - timedelta(days=1000))
    assert market_now() == FROZEN


def test_clock_goes_on_from_what_it_heard_while_redis_is_away(
    settings: LazySettings, valkey: RunningValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MARKET_CLOCK = FROZEN.isoformat()
    tell_market_clock(FROZEN + timedelta(hours=1))
    assert market_now() == FROZEN + timedelta(hours=1)
    monkeypatch.setattr(clock, "_READ_AGAIN_SECONDS", 0.0)
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    assert market_now() == FROZEN + timedelta(hours=1)


@pytest.mark.usefixtures("valkey")
def test_sandboxs_control_steps_the_desks_clock(settings: LazySettings) -> None:
    settings.MARKET_CLOCK = FROZEN.isoformat()
    with Sandbox(market=Market.simulated(seed=7, start=FROZEN), limits=False) as sandbox:
        assert market_now() == FROZEN
        httpx.post(f"{sandbox.addresses()['_control']}/clock", json={"step_seconds": 90})
        forget_process_copies()
        assert market_now() == FROZEN + timedelta(seconds=90)
