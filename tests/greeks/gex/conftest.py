"""A polled index with two expiries in Redis, and a clock in its session."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from greeks.models import PolledInstrument
from greeks.polling.poll import poll_chain
from tests.greeks.conftest import Desk
from tests.greeks.market import stored
from tests.greeks.scripted import EXPIRY, LATER, OPENS

AT = OPENS + timedelta(hours=1)


@pytest.fixture
def polled(desk: Desk, instrument: PolledInstrument, settings: Settings) -> Desk:
    """Both expiries polled at 10:15 in Mumbai."""
    stored.session()
    settings.MARKET_CLOCK = AT.isoformat()
    instrument.nearest_expiries = 2
    instrument.save()
    desk.clock.at = AT
    for expiry in (EXPIRY, LATER):
        poll_chain(slug=desk.slug, expiry=expiry, slot=AT)
    return desk
