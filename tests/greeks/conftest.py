"""A market to poll: one instrument, a scripted provider, and a clock that the test sets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from greeks.minutes.roll_up import roll_up_due
from greeks.models import PolledInstrument
from greeks.polling.poll import Poll, poll_chain
from tests.greeks.scripted import EXPIRY, OPENS, ScriptedProvider, polled_instrument


@dataclass(slots=True)
class Clock:
    """Market time as the test sets it."""

    at: datetime = OPENS

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> ScriptedProvider:
    scripted = ScriptedProvider(clock)
    monkeypatch.setattr("greeks.polling.providers.open_chain_provider", lambda _: scripted)
    return scripted


@pytest.fixture
def instrument(db: None, provider: ScriptedProvider) -> PolledInstrument:
    return polled_instrument()


@dataclass(slots=True)
class Desk:
    """Polls and rolls up by the test's clock."""

    clock: Clock
    provider: ScriptedProvider
    slug: str

    def poll(self, slot: datetime) -> Poll:
        self.clock.at = slot
        return poll_chain(slug=self.slug, expiry=EXPIRY, slot=slot)

    def poll_minute(self, minute: datetime, *, seconds: range = range(0, 60, 5)) -> None:
        for second in seconds:
            self.poll(minute + timedelta(seconds=second))

    def roll_up(self, at: datetime) -> None:
        self.clock.at = at
        roll_up_due(at=at)


@pytest.fixture
def desk(clock: Clock, provider: ScriptedProvider, instrument: PolledInstrument) -> Desk:
    return Desk(clock, provider, instrument.slug)
