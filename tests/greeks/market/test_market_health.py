"""``/health`` of the market: only lateness while the exchange trades counts."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from config.core.clock import now
from config.core.redis.client import redis_client
from greeks.models import PolledInstrument
from greeks.polling.health import check_minutes, check_polls
from greeks.polling.states import PollRecord, record_key
from tests.greeks.market import stored

pytestmark = pytest.mark.django_db


def polled(*, seconds_ago: float | None, slug: str = "nifty") -> None:
    record = PollRecord(
        polled_at=now(),
        slot=stored.AT,
        outcome="sampled",
        succeeded_at=None if seconds_ago is None else now() - timedelta(seconds=seconds_ago),
    )
    redis_client().set(record_key(slug, stored.EXPIRY), msgspec.json.encode(record))


def test_market_that_is_polled_and_stored_is_well(nifty: PolledInstrument) -> None:
    polled(seconds_ago=4)
    stored.store(minutes=74)
    assert (check_polls().status, check_minutes().status) == ("ok", "ok")
    assert 4 <= (check_polls().age_seconds or 0) < 20
    # The minute of 10:28 ended a minute ago.
    assert check_minutes().age_seconds == 60
    checks = Client().get("/health").json()["checks"]
    assert checks["market.polls"]["status"] == checks["market.minutes"]["status"] == "ok"


@pytest.mark.parametrize("seconds_ago", [None, 31.0, 4000.0])
def test_chain_that_is_not_polled_is_named(
    nifty: PolledInstrument, seconds_ago: float | None
) -> None:
    polled(seconds_ago=seconds_ago)
    result = check_polls()
    assert (result.status, result.detail) == ("degraded", "Not polled: NIFTY 50 2026-12-01.")


def test_chain_that_is_polled_once_a_minute_has_three(nifty: PolledInstrument) -> None:
    PolledInstrument.objects.update(poll_seconds=60)
    polled(seconds_ago=150)
    assert check_polls().status == "ok"
    polled(seconds_ago=181)
    assert check_polls().status == "degraded"


def test_instrument_without_a_known_expiry_is_named(nifty: PolledInstrument) -> None:
    PolledInstrument.objects.update(listed_expiries=[])
    assert check_polls().detail == "Not polled: NIFTY 50 (no expiry is known)."


def test_many_that_are_late_are_counted(nifty: PolledInstrument) -> None:
    for number in range(5):
        stored.polled_instrument(slug=f"i{number}", name=f"I{number}", instrument_key=f"K{number}")
    assert check_polls().detail.endswith("and 3 more.")
    assert check_minutes().detail.endswith("and 3 more.")


@pytest.mark.parametrize("minutes", [0, 72])
def test_minutes_that_are_not_stored_are_named(nifty: PolledInstrument, minutes: int) -> None:
    stored.store(minutes=minutes)
    result = check_minutes()
    assert (result.status, result.detail) == ("degraded", "No minute stored: NIFTY 50.")
    assert result.age_seconds == (180 if minutes else None)


def test_gap_is_no_stored_minute(nifty: PolledInstrument) -> None:
    stored.store(minutes=74, empty=range(70, 74))
    assert check_minutes().status == "degraded"


def test_closed_market_and_its_first_moments_are_well(
    nifty: PolledInstrument, settings: Settings
) -> None:
    for at in (stored.OPENING - timedelta(hours=1), stored.OPENING + timedelta(seconds=20),
               stored.OPENING + timedelta(hours=9)):  # fmt: skip
        settings.MARKET_CLOCK = at.isoformat()
        assert check_polls().status == check_minutes().status == "ok"


def test_without_redis_polls_are_unknown(nifty: PolledInstrument, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    assert check_polls().status == "degraded"
    assert "Redis" in check_polls().detail
