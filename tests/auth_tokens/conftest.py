from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from typing import Any

import pytest

from tests.announcements import Announcements
from tests.auth_tokens.sources import PROVIDER, ScriptedSource, scripted_source
from tests.auth_tokens.upstox_site import CREDENTIALS, OPENS_AT, UpstoxSite
from tests.servers.valkey import RunningValkey


@pytest.fixture
def announcements(valkey: RunningValkey) -> Iterator[Announcements]:
    """What the test announces to other processes."""
    heard = Announcements()
    yield heard
    heard.close()


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> ScriptedSource:
    """The source of the provider ``scripted``: hands out ``token-1``, ``token-2``, …"""
    from auth_tokens.broker_tokens import sources as token_sources

    path = "tests.auth_tokens.sources.scripted_source"
    monkeypatch.setitem(token_sources._paths, PROVIDER, path)
    made = scripted_source()
    made.begin()
    return made


@pytest.fixture(scope="session")
def _running_site() -> Iterator[UpstoxSite]:
    site = UpstoxSite()
    with site.sandbox:
        yield site


@pytest.fixture
def upstox(_running_site: UpstoxSite, settings: Any, monkeypatch: pytest.MonkeyPatch) -> UpstoxSite:
    """The simulated Upstox; the settings lead to it and log in as its one person does."""
    monkeypatch.setattr(OPENS_AT, time.min)
    _running_site.begin()
    for name, value in CREDENTIALS.items():
        setattr(settings, name, value)
    settings.UPSTOX_URL = _running_site.url
    settings.PROVIDER_TIMEOUT_SECONDS = 20.0
    return _running_site
