from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from config.settings import data
from tests.config.core.servers import OwnValkey, ScriptedProvider


@pytest.fixture(scope="session")
def _running_valkey() -> Iterator[OwnValkey]:
    server = OwnValkey()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def own_valkey(_running_valkey: OwnValkey, settings: Settings) -> Iterator[OwnValkey]:
    """An empty Valkey that the test may pause; ``REDIS_URL`` points at it."""
    settings.REDIS_URL = _running_valkey.url
    settings.REDIS_SOCKET_TIMEOUT = data.REDIS_SOCKET_TIMEOUT
    _running_valkey.client().flushall()
    yield _running_valkey
    _running_valkey.resume()


@pytest.fixture
def mortal_valkey(settings: Settings) -> Iterator[OwnValkey]:
    """A Valkey that the test may kill and start again."""
    server = OwnValkey()
    server.start()
    settings.REDIS_URL = server.url
    settings.REDIS_SOCKET_TIMEOUT = data.REDIS_SOCKET_TIMEOUT
    yield server
    server.remove()


@pytest.fixture
def no_redis(settings: Settings) -> None:
    """Nothing listens at ``REDIS_URL``."""
    settings.REDIS_URL = "unix:///nonexistent/greekdesk.sock?db=0"


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    server = ScriptedProvider()
    yield server
    server.stop()
