"""Two people, the open door, and a Valkey that may die."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from pytest_django.fixtures import Settings

from auth_tokens.models import User
from tests.config.core.servers import OwnValkey
from tests.factories import UserFactory
from tests.portfolio.door import Desk, desk, run


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def trader() -> User:
    return await run(UserFactory)


@pytest.fixture
async def other() -> User:
    return await run(UserFactory)


@pytest.fixture
async def opened() -> AsyncIterator[Desk]:
    async with desk() as one:
        yield one


@pytest.fixture
def mortal_valkey(settings: Settings) -> Iterator[OwnValkey]:
    server = OwnValkey()
    server.start()
    settings.REDIS_URL = server.url
    yield server
    server.remove()
