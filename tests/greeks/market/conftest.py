"""A market with its clock frozen at 10:30 on a Friday in Mumbai."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from greeks.models import PolledInstrument
from tests.greeks.market import stored


@pytest.fixture(autouse=True)
def _standing_clock(settings: Settings) -> None:
    settings.MARKET_CLOCK = stored.AT.isoformat()


@pytest.fixture
def nifty(request: pytest.FixtureRequest) -> PolledInstrument:
    """The instrument, and its session of the day."""
    if request.node.get_closest_marker("django_db") is None:
        request.getfixturevalue("db")
    stored.session()
    return stored.polled_instrument()
