from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from pytest_django.fixtures import Settings

from auth_tokens.models import User
from tests.factories import UserFactory
from tests.greeks.alerts.receiver import Receiver, running_receiver
from tests.greeks.alerts.rows import minute, nifty


@pytest.fixture
def trader(db: None) -> User:
    return UserFactory.create()


@pytest.fixture
def _at_ten_minutes(db: None) -> Iterator[None]:
    """Ten minutes into the session, with the chain that the tests store minutes of."""
    nifty()
    with time_machine.travel(minute(10), tick=False):
        yield


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    """A server on this machine, which the settings allow messages to go to."""
    settings.ALERT_SCHEMAS = ["json", "jsons", "tgram", "discord", "mailtos", "ntfys"]
    settings.ALERT_PRIVATE_ADDRESSES = True
    with running_receiver() as running:
        yield running
