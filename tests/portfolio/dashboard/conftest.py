"""A trader, signed in, whose rows the sections' threads can see; and time for slow machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from auth_tokens.models import User
from config.core.limited_calls import Work
from portfolio.dashboard import page, reading
from tests.factories import UserFactory


@pytest.fixture
def trader() -> User:
    return UserFactory()


@pytest.fixture
def signed_in(trader: User) -> Client:
    client = Client()
    client.force_login(trader)
    return client


@pytest.fixture(autouse=True)
def _no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give sections a minute: a busy machine is no slow database. Tests of limits set less."""

    def patient(call: Callable[[], Any], seconds: float) -> Work:
        return Work(call, 60.0 if seconds >= 0.5 else seconds)

    for module in (reading, page):
        monkeypatch.setattr(module, "Work", patient)
