"""Gamma exposure while its source fails: the last good answer, said to be old."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from config.core.caching import reading
from config.core.caching.manager import CacheManager
from config.core.caching.resources import Question
from config.core.clock import now
from config.core.errors import (
    CircuitOpen,
    ForbiddenError,
    MalformedResponse,
    ProviderClosed,
    ProviderError,
    RateLimitedError,
    RetryableError,
    UnauthorisedError,
    Unavailable,
)
from greeks.gex.reading import complete_question, get_gex, refresh_gex
from greeks.gex.resource import GEX
from greeks.gex.shapes import GexData
from tests.config.core.caching.desk import Clock
from tests.greeks.conftest import Desk
from tests.greeks.gex.conftest import AT

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
ERRORS = st.sampled_from(
    [CircuitOpen, ForbiddenError, MalformedResponse, ProviderClosed, ProviderError,
     RateLimitedError, RetryableError, UnauthorisedError]
)  # fmt: skip


@pytest.fixture
def good(polled: Desk, settings: Settings) -> GexData:
    """An answer of the provider's whole chain, computed once for all examples."""
    settings.GEX_SYMBOLS, settings.GEX_SOURCE = ["NIFTY"], "scripted"
    return refresh_gex("NIFTY")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(error=ERRORS, message=st.text(max_size=20), age=st.floats(301, 80_000), again=st.booleans())
def test_failing_provider_gives_the_last_good_answer_marked_stale(
    polled: Desk, good: GexData, error: type[ProviderError], message: str, age: float, again: bool
) -> None:
    """Feature: dashboard-performance-optimization, Property 9: For any GEX data request where the
    external API fails, if stale cached data exists, the service should return the cached data with
    a staleness indicator rather than failing the request."""
    clock = Clock()
    manager = CacheManager(clock)
    key = reading.key_of(GEX, Question(None, complete_question("NIFTY")))
    manager.set(key, good, GEX.fresh_seconds, stale_seconds=GEX.stale_seconds)
    clock.at += age
    polled.provider.error = error(message, provider="scripted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "manager", manager)
        answer = refresh_gex("NIFTY") if again else get_gex("NIFTY")
    assert (good.stale, answer.stale, answer.cached) == (False, True, True)
    assert answer.gamma_exposure == good.gamma_exposure
    assert answer.timestamp == good.timestamp
    assert answer.cache_age_seconds == pytest.approx(age, abs=1e-3)
    assert answer.problem == message


def test_polled_chain_that_stopped_coming_is_stale_until_it_comes_again(polled: Desk) -> None:
    good = refresh_gex("NIFTY")
    with time_machine.travel(now() + timedelta(seconds=91), tick=False):
        answer = refresh_gex("NIFTY")
        assert (answer.stale, answer.timestamp) == (True, good.timestamp)
        assert answer.gamma_exposure == good.gamma_exposure
        assert "scripted has sent no chain of Nifty 50 since" in str(answer.problem)
        reading.manager.invalidate("gex:*")
        with pytest.raises(Unavailable):
            refresh_gex("NIFTY")
        polled.poll(AT + timedelta(minutes=2))
        assert not refresh_gex("NIFTY").stale
    with time_machine.travel(now() + timedelta(days=1)), pytest.MonkeyPatch.context() as patch:
        # The closing chain of a session that is over is the last there is.
        patch.setattr("greeks.gex.chains.fetching.open_session", lambda *_: None)
        assert not refresh_gex("NIFTY").stale
